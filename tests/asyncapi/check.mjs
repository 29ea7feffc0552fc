// Reads {name: document} from standard input; writes {name: [what AsyncAPI's own parser finds]}.
import { Parser } from "@asyncapi/parser";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const parser = new Parser();
const found = {};
for (const [name, document] of Object.entries(JSON.parse(text))) {
  const { document: parsed, diagnostics } = await parser.parse(document);
  found[name] = {
    messages: parsed?.allMessages().all().length ?? 0,
    version: parsed?.version() ?? null,
    diagnostics: diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path: path.join("/") })),
  };
}
process.stdout.write(JSON.stringify(found));

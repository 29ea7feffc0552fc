// Reads {secret, id, timestamp, body, signature} from standard input. Writes what each library signs, and
// what each makes of the signature: null, or why it refuses.
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const { secret, id, timestamp, body, signature } = JSON.parse(text);
const found = {};
for (const [name, prefix, Webhook] of [["standardwebhooks", "webhook-", Standard], ["svix", "svix-", Svix]]) {
  const webhook = new Webhook(secret);
  const headers = { [`${prefix}id`]: id, [`${prefix}timestamp`]: `${timestamp}`, [`${prefix}signature`]: signature };
  let refusal = null;
  try {
    webhook.verify(body, headers);
  } catch (error) {
    refusal = error.message;
  }
  found[name] = { signature: webhook.sign(id, new Date(timestamp * 1000), body), refusal };
}
process.stdout.write(JSON.stringify(found));

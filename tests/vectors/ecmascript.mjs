// Writes ecmascript.json: what JavaScript makes of JSON texts. Run once: node ecmascript.mjs > ecmascript.json
// Pairs of [text, JSON.stringify(JSON.parse(text))]. The random part is seeded, so a run repeats itself.

const numbers = [
  "0", "-0", "0.0", "-0.0", "0e0", "-0e5", "0e999", "1", "-1", "5.0", "-5.0", "5.00e0", "50e-1", "0.5e1", "10", "100",
  "0.95", "-0.95", "0.1", "0.2", "0.30000000000000004", "0.3333333333333333", "1.5", "1e0", "1E0", "1e+0", "1e-0",
  "1e1", "1e2", "1e15", "1e16", "1e17", "1e18", "1e19", "1e20", "1e21", "1e22", "-1e20", "-1e21", "1e100", "1e308",
  "9.99e20", "9.99e21", "123456789012345680000.0", "999999999999999900000.0", "1234567890123456789012.0", "1.5e20", "1.5e21",
  "1.2345678901234567e16", "1.2345678901234567e17", "1.2345678901234567e20", "1.2345678901234567e21", "12345678901234567.0",
  "0.1e-1", "0.01", "0.001", "0.0001", "0.00001", "0.000001", "0.0000001", "0.00000123", "0.000000123", "1e-5", "1e-6",
  "1e-7", "1.5e-6", "1.5e-7", "-1e-6", "-1e-7", "-1.5e-5", "9.999999999999999e-7", "9.5e-10", "1e-10", "1e-100", "1e-300",
  "9007199254740991", "-9007199254740991", "9007199254740990", "9007199254740991.0", "9007199254740992.0",
  "-9007199254740992.0", "9007199254740993.0", "9007199254740994.0", "1152921504606846976.0", "4503599627370496.5",
  "4503599627370497.5", "2251799813685248.25", "5e-324", "4.9e-324", "1e-324", "1e-400", "-1e-400", "2.2250738585072014e-308",
  "2.225073858507201e-308", "1.7976931348623157e308", "-1.7976931348623157e308", "4.35", "4.349999999999999", "0.1e1", "1.0e-2",
  "123456.789", "1e5", "12e3", "12.5e3", "0.00012e4", "3.141592653589793", "2.718281828459045", "1705314600", "1705314600000",
  "1705314600.123", "33.333333333333336", "1.0000000000000002", "0.9999999999999999", "1.1e15", "1.1e16", "1.7e-6",
  "100000000000000000000000e-3", "0.00000000000000000001e20", "3.0000000000000000000000000001", "2147483648", "-2147483649",
];

const strings = [
  '""', '"a"', '"\\b\\t\\n\\f\\r"', '"\\"\\\\\\/"', '"\\u0000\\u0001\\u001f"', '"\\u000b\\u000B\\u000e"', '"\\u0008\\u0009\\u000a\\u000c\\u000d"',
  '"\\u007f"', '"\x7f"', '"\\u0080\\u009f"', '"\\u00a0"', '"\\u2028\\u2029"', '"\u2028\u2029"', '"\\ufeff"', '"\ufeff"', '"\\ufffe\\uffff"',
  '"\\u00e9"', '"é"', '"e\\u0301"', '"日本語"', '"\\u65e5\\u672c\\u8a9e"', '"\\ud83d\\ude00"', '"😀"', '"\\uD83D\\uDE00\\ud83d\\ude00"',
  '"\\u0022\\u005c\\u002f"', '"/"', '"\\/"', '"</script>"', '"<!--"', '"&<>\'"', '"\\u003c"', '"\\\\u0041"', '"\\\\ud800"', '"a\\u0041"',
  '"\\udbff\\udfff"', '"\\ud800\\udc00"', '"𐀀"', '"\u200b\u202e"', '"2025-01-15T10:30:00Z"', '"٣"', '"\\u0130\\u0131"', '"ß"', '"  "',
];

const others = [
  "null", "true", "false", "[]", "{}", " [ ] ", "\t{\n}\r", "[1.0,2.50,-0,1e21]", "[[],[[]],{}]", "[null,true,false]", '{"":1}', '{"":{"":{}}}',
  '{"b":1,"a":2}', '{"10":1,"9":2,"b":3,"a":4}', '{"b":1,"0":2}', '{"a":1,"01":2,"1":3,"00":4}', '{"-1":1,"1":2,"-0":3,"0":4}',
  '{"x":0,"4294967294":1,"4294967295":2,"4294967296":3,"0":4}', '{"4294967295":1,"4294967294":2}', '{"9007199254740991":1,"3":2}',
  '{"99999999999":1,"5":2}', '{"1.5":1,"1":2}', '{"1e3":1,"2":2}', '{" 1":1,"1":2,"1 ":3}', '{"+1":1,"1":2}', '{"٣":1,"3":2}', '{"²":1,"2":2}',
  '{"a":{"2":1,"1":{"z":1,"3":2,"y":{"7":1,"6":2}}},"0":[{"b":1,"1":2,"a":{"x":1,"0":2}}]}', '[{"1":1,"0":0},[{"b":1,"11":2,"2":3}]]',
  '{"__proto__":1,"a":2}', '{"__proto__":{"x":1},"1":2}', '{"constructor":1,"toString":2,"length":3,"0":4}', '{"toJSON":1}',
  '{"\\u0031":1,"0":2}', '{"\\u0061":1,"b":2}', '{"😀":1,"é":2,"\\u2028":3,"\\"":4,"\\n":5}', '{"$":1,"#":2,"7":3}', '{"!":1,"a":2}', '{":":1,"9":2}',
  '{ "title" : "Überblick \\u2013 Q1" , "score" : 0.950 , "n" : 5.0 , "when":"2025-01-15T10:30:00Z" }', '{"a":[1,{"b":[2,{"c":[3.0]}]}]}',
];

let seed = 20250115;
function random(below) { // mulberry32
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % below;
}
const pick = (items) => items[random(items.length)];

function randomBits() { // any finite double, by its bits, as a literal that is a float in JSON
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, random(2 ** 32)); view.setUint32(4, random(2 ** 32));
  const value = view.getFloat64(0);
  return Number.isFinite(value) ? value.toExponential() : randomBits();
}
function randomDecimal() { // digits and an exponent where the layout of numbers changes
  const digits = Array.from({ length: 1 + random(19) }, () => random(10)).join("");
  return `${pick(["", "-"])}${random(10)}.${digits}e${random(50) - 25}`;
}
const randomString = () => JSON.stringify(String.fromCodePoint(
  ...Array.from({ length: random(12) }, () => pick([random(0x20), random(0x80), 0x80 + random(0x780), 0xe000 + random(0x2000), 0x10000 + random(0x10000)]))));
const randomKey = () => pick([randomString, () => `"${random(20)}"`, () => `"${random(2 ** 32)}"`, () => `"k${random(99)}"`])();
function randomValue(depth) {
  const kind = depth > 0 ? random(6) : random(4);
  if (kind === 0) return randomDecimal();
  if (kind === 1) return String(random(2 ** 32));
  if (kind === 2) return randomString();
  if (kind === 3) return pick(["null", "true", "false"]);
  const size = random(6);
  if (kind === 4) return `[${Array.from({ length: size }, () => randomValue(depth - 1)).join(" , ")}]`;
  const members = new Map();  // keyed by what the key says, not how it is spelled: no duplicates
  for (let i = 0; i < size; i++) { const key = randomKey(); members.set(JSON.parse(key), `${key}: ${randomValue(depth - 1)}`); }
  return `{${[...members.values()].join(",\n")}}`;
}
const many = (count, make) => Array.from({ length: count }, make);

const texts = [...numbers, ...strings, ...others, ...many(150, randomBits), ...many(150, randomDecimal),
  ...many(60, randomString), ...many(120, () => `{"v":${randomValue(4)},"w":${randomValue(3)}}`)];
const pairs = texts.map((text) => [text, JSON.stringify(JSON.parse(text))]);
const header = { made_by: "ecmascript.mjs", node: process.version, v8: process.versions.v8, count: pairs.length };
const ascii = (value) => JSON.stringify(value).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
console.log(`{"header":${JSON.stringify(header)},"pairs":[\n${pairs.map(ascii).join(",\n")}\n]}`);

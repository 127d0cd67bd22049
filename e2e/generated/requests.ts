import fc from "fast-check";
import { type Operation, operations, type Parameter } from "../support/openapi.ts";
import { type KnownIds, spoiled, valuesOf } from "./values.ts";

export interface Generated {
  role: string;
  method: string;
  target: string;
  headers: Record<string, string>;
  body: string | null;
}

export interface World {
  roles: readonly string[];
  ids: KnownIds;
}

/** These would change the system for all tests, so they get ids that do not exist. */
const SHARED_STATE = new Set([
  "PUT /v1/roles/{role}/permissions",
  "POST /v1/backups/{id}/restore",
  "DELETE /v1/backups/{id}",
  "POST /v1/backups/{id}/verify",
]);
/** These end sessions, whatever their input: only an account made for that sends them. */
const ENDS_SESSIONS =
  /^(POST \/v1\/auth\/logout|DELETE \/v1\/auth\/sessions|DELETE \/v1\/users\/\{id\}\/sessions)/;
export const EXPENDABLE = "expendable";
/** What takes long or writes much is sent less often. */
const RARE = /^(POST \/v1\/backups|POST \/v1\/audit\/verify|GET \/v1\/audit\/export|GET \/v1\/audit\/stream)/;

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "HEAD"];
const ODD_PATHS = [
  "x",
  "0",
  "-1",
  "%00",
  "%2e%2e",
  "..%2f",
  "%ff",
  "null",
  "undefined",
  "%F0%9F%92%A3",
  "a".repeat(3_000),
  "%27%3B--",
];
const ODD_HEADERS: readonly Record<string, string>[] = [
  { "if-match": '"1"' },
  { "if-match": "*" },
  { "if-match": 'W/"x", "y"' },
  { "if-none-match": "*" },
  { "idempotency-key": "a" },
  { "idempotency-key": "k".repeat(500) },
  { "idempotency-key": "generated-key" },
  { "x-purpose": "TREAT" },
  { "x-purpose": "PLEASURE" },
  { "x-request-id": "not well formed!" },
  { "x-request-id": "r".repeat(200) },
  { "x-user-id": "admin", "x-forwarded-user": "admin", "x-role": "admin" },
  { "x-forwarded-for": "203.0.113.9, 127.0.0.1" },
  { "x-medvault-assertion": "e30.e30.e30" },
  { traceparent: "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01" },
  { traceparent: "x" },
  { range: "bytes=5-1" },
  { range: "bytes=0-0,5-6" },
  { range: "bytes=99999999999-" },
  { accept: "text/html;q=9, */*" },
  { "content-encoding": "gzip" },
  { "accept-encoding": "br" },
  { cookie: "__Host-session=x; a=b" },
  { origin: "https://evil.example" },
  { "x-csrf-token": "x" },
  { "x-odd": "\u00e9\u00fc" },
];

/** Requests of every operation, by every role: two of five as documented, the others wrong. */
export function requests(world: World): fc.Arbitrary<Generated> {
  return fc.oneof(
    ...operations.map((operation) => ({
      weight: RARE.test(nameOf(operation)) ? 1 : 6,
      arbitrary: requestsOf(operation, world),
    })),
  );
}

const nameOf = (operation: Operation) => `${operation.method} ${operation.path}`;

function requestsOf(operation: Operation, { roles, ids }: World): fc.Arbitrary<Generated> {
  const name = nameOf(operation);
  const own = SHARED_STATE.has(name) ? {} : idsFor(operation, ids);
  const role = ENDS_SESSIONS.test(name) ? fc.constantFrom("guest", EXPENDABLE) : fc.constantFrom(...roles);
  const isValid = fc.oneof(
    { weight: 2, arbitrary: fc.constant(true) },
    { weight: 3, arbitrary: fc.constant(false) },
  );
  return isValid.chain((valid) =>
    fc
      .record({
        role,
        method: valid ? fc.constant(operation.method) : mostly(operation.method, METHODS),
        path: pathOf(operation, own, valid),
        query: queryOf(operation, ids, valid),
        headers: valid ? fc.constant({}) : fc.oneof(fc.constant({}), fc.constantFrom(...ODD_HEADERS)),
        sent: bodyOf(operation, ids, valid),
      })
      .map(({ path, query, sent, headers, ...rest }) => ({
        ...rest,
        target: `${path}${query}`,
        body: sent?.body ?? null,
        headers: { ...(sent && { "content-type": sent.type }), ...headers },
      })),
  );
}

function mostly(usual: string, others: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
}

/** What `{id}` means is said by the segment of the path before it. */
function idsFor({ path }: Operation, ids: KnownIds): KnownIds {
  if (path.startsWith("/v1/fhir/{type}/{id}")) return { ...ids, id: ids.records ?? [] };
  const area = /\/([A-Za-z]+)\/\{id\}/.exec(path)?.[1] ?? "";
  return { ...ids, id: ids[area] ?? ids[`${area.toLowerCase()}s`] ?? [] };
}

function pathOf({ path, parameters }: Operation, ids: KnownIds, valid: boolean): fc.Arbitrary<string> {
  const segments = parameters
    .filter((parameter) => parameter.in === "path")
    .map(({ name }) => {
      const known = ids[name] ?? [];
      const proper = known.length > 0 ? fc.constantFrom(...known) : fc.uuid();
      const value = valid ? proper : fc.oneof(proper, fc.uuid(), fc.constantFrom(...ODD_PATHS));
      return value.map((text) => [name, text] as const);
    });
  return fc
    .tuple(...segments)
    .map((pairs) => pairs.reduce((url, [name, text]) => url.replace(`{${name}}`, text), path));
}

function queryOf({ parameters }: Operation, ids: KnownIds, valid: boolean): fc.Arbitrary<string> {
  // There is no cursor before a first page: here one is always wrong.
  const own = parameters.filter(
    (parameter) => parameter.in === "query" && !(valid && parameter.name === "cursor"),
  );
  const required = own.filter((parameter) => parameter.required).map(({ name }) => name);
  const values = fc.record(
    Object.fromEntries(own.map((parameter) => [parameter.name, valuesFor(parameter, ids, valid)])),
    { requiredKeys: valid ? required : [] },
  );
  const extra = valid
    ? fc.constant("")
    : fc.constantFrom(
        "",
        "",
        "",
        "limit=0",
        "limit=x",
        "a=b&a=c",
        "cursor=%%%",
        "cursor=e30",
        "__proto__[x]=1",
        "limit=1&limit=2",
        "q=%00",
        "%F0%9F",
        "x".repeat(4_000),
      );
  return fc.tuple(values, extra).map(([given, more]) => {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(given))
      query.set(name, typeof value === "string" ? value.toWellFormed() : JSON.stringify(value));
    const text = [query.toString(), more].filter(Boolean).join("&");
    return text && `?${text}`;
  });
}

function valuesFor({ name, schema }: Parameter, ids: KnownIds, valid: boolean): fc.Arbitrary<unknown> {
  const proper = name === "cursor" ? fc.constant("bm90LW9uZQ") : valuesOf(schema, ids, name);
  return valid
    ? proper
    : fc.oneof(
        proper,
        fc.string({ maxLength: 300 }),
        fc.constantFrom("", "NaN", "-1", "null", "[object Object]"),
      );
}

type Sent = { type: string; body: string } | null;

function bodyOf({ requestBody }: Operation, ids: KnownIds, valid: boolean): fc.Arbitrary<Sent> {
  const [type, content] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const noBody = fc.constant(null);
  if (!type || !content) return valid ? noBody : fc.oneof(noBody, fc.constantFrom<Sent>(...NOT_JSON));
  if (type === "multipart/form-data")
    return valid ? multipart(ids) : fc.oneof(multipart(ids), fc.constantFrom<Sent>(...NOT_FORM, ...NOT_JSON));
  const values = valuesOf(content.schema, ids);
  if (type === "application/x-www-form-urlencoded") {
    const form = values.map((body): Sent => ({ type, body: formOf(body) }));
    return valid ? form : fc.oneof(form, fc.constantFrom<Sent>(...NOT_FORM, ...NOT_JSON));
  }
  const json = (body: unknown): Sent => ({ type, body: JSON.stringify(body) ?? "null" });
  if (valid) return values.map(json);
  return fc.oneof(
    { weight: 6, arbitrary: spoiled(values).map(json) },
    { weight: 1, arbitrary: values.map(json) },
    { weight: 1, arbitrary: fc.constantFrom<Sent>(...NOT_JSON) },
    { weight: 1, arbitrary: noBody },
  );
}

function formOf(body: unknown): string {
  const fields = Object.entries(body as Record<string, unknown>);
  return new URLSearchParams(
    fields.map(([name, value]): [string, string] => [name, String(value).toWellFormed()]),
  ).toString();
}

const NOT_JSON: readonly Sent[] = [
  { type: "application/json", body: "{" },
  { type: "application/json", body: '"text"' },
  { type: "application/json", body: "[1,2]" },
  { type: "application/json", body: "" },
  { type: "application/json", body: "[".repeat(5_000) },
  { type: "application/json", body: `{"a":${"9".repeat(5_000)}}` },
  { type: "application/json; charset=utf-16", body: "{}" },
  { type: "text/plain", body: "hello" },
  { type: "application/x-www-form-urlencoded", body: "a=b" },
  { type: "application/xml", body: '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>' },
  { type: "nonsense", body: "{}" },
];
const NOT_FORM: readonly Sent[] = [
  { type: "multipart/form-data", body: "--x--" },
  { type: "multipart/form-data; boundary=x", body: "" },
  {
    type: "multipart/form-data; boundary=x",
    body: '--x\r\nContent-Disposition: form-data; name="files"; filename="../../a.txt"\r\n\r\nhi\r\n--x--\r\n',
  },
  {
    type: "multipart/form-data; boundary=x",
    body: '--x\r\nContent-Disposition: form-data; name="patientId"\r\n\r\nhi',
  },
];

function multipart(ids: KnownIds): fc.Arbitrary<Sent> {
  const names = fc.constantFrom(
    "a.txt",
    "b.csv",
    "c.pdf",
    "d.exe",
    "e",
    "naïve \u202e.txt",
    `${"n".repeat(300)}.txt`,
  );
  const content = fc.constantFrom("plain text\n", "a,b\n1,2\n", "%PDF-1.4\n%%EOF\n", "MZ\u0000\u0001", "");
  const files = fc.array(fc.tuple(names, content), { minLength: 1, maxLength: 3 });
  const patient = fc.oneof(fc.constantFrom(...(ids.patientId ?? ["x"])), fc.uuid());
  return fc.tuple(patient, files).map(([patientId, parts]) => {
    const field = `--b\r\nContent-Disposition: form-data; name="patientId"\r\n\r\n${patientId}\r\n`;
    const rest = parts.map(
      ([name, text]) =>
        `--b\r\nContent-Disposition: form-data; name="files"; filename="${name}"\r\nContent-Type: text/plain\r\n\r\n${text}\r\n`,
    );
    return { type: "multipart/form-data; boundary=b", body: `${field}${rest.join("")}--b--\r\n` };
  });
}

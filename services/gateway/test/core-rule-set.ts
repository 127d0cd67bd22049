import { existsSync, readFileSync } from "node:fs";
import type { Person, TestGateway } from "./harness.ts";
import { sendRaw } from "./raw-http.ts";

/** A case of the OWASP Core Rule Set's own tests, as they send it. */
export interface CrsCase {
  rule: number;
  test: number;
  method: string | null;
  uri: string | null;
  headers: Record<string, string> | null;
  data: string | null;
}

const shared = new URL("../../../../shared/data/crs/", import.meta.url);
export const isCrsAvailable = existsSync(shared);

export function crsCases(file: "attack" | "rule_negative"): CrsCase[] {
  return readFileSync(new URL(`${file}.jsonl`, shared), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as CrsCase);
}

/** The group of a case's rule: 932 is command injection, 942 SQL injection. */
export const groupOf = ({ rule }: CrsCase): number => Math.floor(rule / 1_000);

/** The values of a case: a form's pairs, multipart's parts, XML's attributes, JSON's strings. */
function valuesOf({ uri, data }: CrsCase): string[] {
  const [path = "", query = ""] = (uri ?? "").split(/\?(.*)/s);
  const values = [...path.split("/"), ...pairsOf(query)].map(decodedForm);
  return [...new Set([...values, ...(data ? valuesOfData(data) : [])])].filter(Boolean);
}

function valuesOfData(data: string): string[] {
  if (/^\s*<(?:\?xml|root)/.test(data))
    return [...data.matchAll(/="([^"]*)"|>([^<]+)</g)].map(([, a, b]) => a ?? b ?? "");
  if (/^-{2,}[^\n]*\n/.test(data)) {
    const parts = data.split(/^-{2,}[^\n]*$/m).map((part) => part.trim().split(/\r?\n\r?\n(.*)/s));
    return parts.flatMap(([head = "", body = ""]) => [
      ...[...head.matchAll(/name="((?:[^"\\]|\\.)*)"/g)].map(([, name = ""]) => name),
      body,
    ]);
  }
  try {
    return stringsOf(JSON.parse(data));
  } catch {
    return [...pairsOf(data).map(decodedForm), decodedForm(data)];
  }
}

function stringsOf(value: unknown): string[] {
  if (typeof value === "object" && value !== null)
    return Object.entries(value).flatMap(([name, inner]) => [name, ...stringsOf(inner)]);
  return [String(value)];
}

const pairsOf = (form: string) => form.split("&").flatMap((pair) => pair.split(/=(.*)/s));

function decodedForm(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll("+", " "));
  } catch {
    return value;
  }
}

/**
 * How a gateway refuses a case, or null. `screened`: it is refused as an attack; as a field with a
 * structure, as a value of a query or a path, or as the request stands. `malformed`: the request as
 * it stands is refused for its form. An unknown path, an unknown name in a query and a missing
 * session are no refusals; a body that is no JSON is one only where the case is about a body's form
 * (920 to 922).
 */
export async function refusalOf(
  edge: TestGateway,
  as: Person,
  attack: CrsCase,
): Promise<"screened" | "malformed" | null> {
  for (const value of valuesOf(attack)) if (await screensValue(edge, as, value)) return "screened";
  const { method, uri, headers, data } = attack;
  const own = Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`);
  const named = (name: string) => own.some((line) => line.toLowerCase().startsWith(`${name}:`));
  if (!named("connection")) own.push("Connection: close");
  if (data !== null && !named("content-length"))
    own.push(`Content-Length: ${Buffer.byteLength(data, "latin1")}`);
  const send = (line: string, extra: readonly string[] = []) =>
    sendRaw(edge.url, `${[`${line} HTTP/1.1`, ...own, ...extra].join("\r\n")}\r\n\r\n${data ?? ""}`);
  const query = (uri ?? "").split(/\?(.*)/s)[1];
  const answers = [await send(`${method ?? "GET"} ${uri ?? "/"}`)];
  if (query !== undefined) answers.push(await send(`GET /v1/prescriptions?${query}`));
  if (data !== null) {
    answers.push(await send("POST /v1/claims", [`Authorization: Bearer ${as.token}`]));
  }
  if (answers.some(({ body }) => body.includes('"request_screened"'))) return "screened";
  const aboutForm = groupOf(attack) >= 920 && groupOf(attack) <= 922;
  const malformed = answers.some(
    ({ status, body }, i) =>
      ([400, 405, 414, 417, 431, 501].includes(status) &&
        !body.includes("is not a known field") &&
        (i < 2 || aboutForm)) ||
      (status === 415 && aboutForm),
  );
  return malformed ? "malformed" : null;
}

const known = new Map<string, boolean>();

async function screensValue(edge: TestGateway, as: Person, value: string): Promise<boolean> {
  const before = known.get(value);
  if (before !== undefined) return before;
  const coded = value.isWellFormed() ? encodeURIComponent(value) : null;
  const screens = async (path: string, init?: Parameters<TestGateway["call"]>[1]) =>
    (await (await edge.call(path, init)).text()).includes('"request_screened"');
  const screened =
    (await screens("/v1/claims", { method: "POST", as, body: JSON.stringify({ diagnosisCode: value }) })) ||
    (coded !== null &&
      ((await screens(`/v1/prescriptions?status=${coded}`)) || (await screens(`/v1/patients/${coded}`))));
  known.set(value, screened);
  return screened;
}

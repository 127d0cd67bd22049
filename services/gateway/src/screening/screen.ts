import { InvalidInput, PURPOSE_HEADER, PURPOSES } from "@medvault/contracts";
import { BoundedMap } from "@medvault/service-kit";
import type { FieldPlan } from "./field-plan.ts";
import { isScanner } from "./scanner-agents.ts";
import { RequestScreened } from "./screening.errors.ts";
import { type Threat, threatIn, threatInHeader } from "./threat.ts";

/** More than any structured body needs; a body that would cost more to screen is refused. */
const MAX_VALUES = 2_000;
const MAX_CHARS = 65_536;
const MAX_REMEMBERED_AGENTS = 1_000;

/**
 * Headers with a syntax of their own that is checked where they are read, and what is never shown
 * or kept. So are those of `Sec-`, which no page can set.
 */
const UNSCREENED_HEADERS: ReadonlySet<string> = new Set([
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "authorization",
  "cache-control",
  "connection",
  "content-length",
  "content-type",
  "cookie",
  "date",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "origin",
  "pragma",
  "priority",
  "proxy-authorization",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "x-csrf-token",
]);
const PLAIN_PATH = /^[A-Za-z0-9/_.:$-]*$/;

/** A segment that is an id: none is an attack, whatever its digits are. */
const ID = /(?<=\/)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\/|$)/gi;
const ANY_ID = "00000000-0000-0000-0000-000000000000";
const MAX_REMEMBERED_PATHS = 1_000;
const MAX_REMEMBERED_CHARS = 256;

/** What was found harmless, with `ANY_ID` for each id. */
const harmless = new BoundedMap<string, true>(MAX_REMEMBERED_PATHS);

/** Throws RequestScreened for a path that looks like an attack, as it came. */
export function screenPath(path: string): void {
  const shape = path.replace(ID, ANY_ID);
  if (harmless.has(shape)) return;
  refuseIf(threatIn(shape));
  if (!PLAIN_PATH.test(shape)) {
    for (const segment of shape.split("/")) if (segment) refuseIf(threatIn(segment));
  }
  if (shape.length <= MAX_REMEMBERED_CHARS) harmless.set(shape, true);
}

/** Throws RequestScreened for names or values of a query, but for values that are not screened. */
export function screenQuery(
  pairs: readonly (readonly [name: string, value: string])[],
  unscreened: ReadonlySet<string>,
): void {
  for (const [name, value] of pairs) {
    refuseIf(threatIn(name));
    if (!unscreened.has(name)) refuseIf(threatIn(value));
  }
}

const purposes: ReadonlySet<string> = new Set(PURPOSES);
const agents = new BoundedMap<string, Threat | null>(MAX_REMEMBERED_AGENTS);

/** Throws RequestScreened for a scanner's user agent, and for headers or cookies like an attack. */
export function screenHeaders(rawHeaders: readonly string[]): void {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    if (name === "user-agent") refuseIf(threatOfAgent(value));
    else if (name === "cookie") screenCookies(value);
    else if (name === PURPOSE_HEADER && purposes.has(value)) continue;
    else if (!UNSCREENED_HEADERS.has(name) && !name.startsWith("sec-")) refuseIf(threatInHeader(value));
  }
}

/** A client has one user agent and sends it each time: the verdict is remembered. */
export function threatOfAgent(userAgent: string): Threat | null {
  const known = agents.get(userAgent);
  if (known !== undefined) return known;
  const threat = isScanner(userAgent) ? "scanner" : threatInHeader(userAgent);
  agents.set(userAgent, threat);
  return threat;
}

/** Our own cookies are opaque, and checked where they are read. */
function screenCookies(header: string): void {
  for (const pair of header.split(";")) {
    if (/^\s*__(?:Host|Secure)-/.test(pair)) continue;
    const at = pair.indexOf("=");
    refuseIf(threatInHeader(pair.slice(at + 1)));
    if (at > 0) refuseIf(threatInHeader(pair.slice(0, at)));
  }
}

/** Throws RequestScreened for a structured field like an attack; `plan` says which are screened. */
export function screenBody(body: unknown, plan: FieldPlan): void {
  const spent = { values: 0, chars: 0 };
  const look = (text: string) => {
    spent.values += 1;
    spent.chars += text.length;
    if (spent.values > MAX_VALUES || spent.chars > MAX_CHARS) {
      throw new InvalidInput("The body holds more than such a request can need.");
    }
    refuseIf(threatIn(text));
  };
  // By recursion: the depth was bounded before.
  const walk = (value: unknown, part: FieldPlan) => {
    if (part === "skip") return;
    if (typeof value === "string") look(value);
    else if (Array.isArray(value)) {
      const items = part === "screen" ? part : part.items;
      for (const item of value) walk(item, items);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        const known = part === "screen" ? undefined : part.fields.get(name);
        if (known === undefined) look(name);
        walk(inner, known ?? "screen");
      }
    }
  };
  walk(body, plan);
}

function refuseIf(threat: Threat | null): void {
  if (threat) throw new RequestScreened(threat);
}

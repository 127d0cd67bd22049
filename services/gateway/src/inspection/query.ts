import { InvalidInput, type RouteDoc } from "@medvault/contracts";

const MAX_PAIRS = 100;
const SHOWN_CHARS = 64;
/** Names that reach into a JavaScript object's prototype. */
export const POLLUTING =
  /^(?:__proto__|constructor|prototype)(?:$|[.[])|\[(?:["']?)(?:__proto__|constructor|prototype)/;

/**
 * The pairs of a query (`?a=1&b=2`, well-formed), decoded. Throws InvalidInput for a name that
 * comes twice (two readers may believe two different ones), for names that reach into prototypes,
 * and for more than 100 pairs. Where names `mayRepeat`, their service reads all of them.
 */
export function queryPairs(query: string, mayRepeat = false): [name: string, value: string][] {
  if (query.length <= 1) return [];
  const parts = query.slice(1).split("&");
  if (parts.length > MAX_PAIRS) throw new InvalidInput("The query has too many parts.");
  const seen = new Set<string>();
  const pairs: [string, string][] = [];
  for (const part of parts) {
    if (part === "") continue;
    const at = part.indexOf("=");
    const name = decoded(at === -1 ? part : part.slice(0, at));
    if (POLLUTING.test(name)) throw fault(name, "is not allowed");
    if (seen.has(name) && !mayRepeat) throw fault(name, "is given twice");
    seen.add(name);
    pairs.push([name, at === -1 ? "" : decoded(part.slice(at + 1))]);
  }
  return pairs;
}

/** Throws InvalidInput for unknown names: a misspelt filter must not list everything. */
export function refuseUnknownNames(
  pairs: readonly (readonly [string, string])[],
  known: ReadonlySet<string>,
): void {
  for (const [name] of pairs) if (!known.has(name)) throw fault(name, "is not a known field");
}

/** The names that a route's query may have. */
export function queryNames(route: RouteDoc): ReadonlySet<string> {
  const shape = (route.query as { shape?: Record<string, unknown> } | undefined)?.shape;
  return new Set(Object.keys(shape ?? {}));
}

function fault(name: string, message: string): InvalidInput {
  return new InvalidInput(undefined, [{ path: name.slice(0, SHOWN_CHARS), message }]);
}

function decoded(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}

import type { RouteDoc } from "@medvault/contracts";

interface Node {
  literals: Map<string, Node>;
  parameter: Node | null;
  /** By method. */
  documents: Map<string, RouteDoc>;
}

const empty = (): Node => ({ literals: new Map(), parameter: null, documents: new Map() });

export type FindDocument = (method: string, path: string) => RouteDoc | null;

/**
 * Finds a request's document, or null. A literal segment wins over a parameter, and both over the
 * rest of a path; HEAD is GET.
 */
export function routeDocuments(routes: readonly RouteDoc[]): FindDocument {
  const root = empty();
  for (const route of routes) {
    let node = root;
    for (const segment of route.path.split("/").slice(1)) {
      if (segment.startsWith("{")) {
        node.parameter ??= empty();
        node = node.parameter;
      } else {
        const next: Node = node.literals.get(segment) ?? empty();
        node.literals.set(segment, next);
        node = next;
      }
    }
    node.documents.set(route.method.toUpperCase(), route);
  }
  return (method, path) => find(root, path.split("/"), 1, method === "HEAD" ? "GET" : method);
}

function find(node: Node, segments: readonly string[], at: number, method: string): RouteDoc | null {
  if (at === segments.length) return node.documents.get(method) ?? null;
  const literal = node.literals.get(segments[at] as string);
  const found = literal ? find(literal, segments, at + 1, method) : null;
  if (found || !node.parameter) return found;
  const rest = node.parameter.documents.get(method);
  return find(node.parameter, segments, at + 1, method) ?? (rest?.wildcard ? rest : null);
}

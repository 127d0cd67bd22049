/** What a page's links repeat of its query; undefined is left out. */
export type LinkQuery = readonly (readonly [name: string, value: unknown])[];

export interface PageLink {
  relation: "self" | "next";
  url: string;
}

/** The links of a page: to itself, and to the next one if there is one. */
export function pageLinks(url: string, query: LinkQuery, nextCursor: string | null): PageLink[] {
  const self: PageLink = { relation: "self", url: linkOf(url, query) };
  if (nextCursor === null) return [self];
  return [self, { relation: "next", url: linkOf(url, [...query, ["_cursor", nextCursor]]) }];
}

function linkOf(url: string, query: LinkQuery): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of query) if (value !== undefined) pairs.append(name, String(value));
  return pairs.size === 0 ? url : `${url}?${pairs}`;
}

import type { FhirResource } from "./resource.ts";

type Narrative = { status: string; div: string };

/** In the place of a narrative that says what is no longer so. */
const LEFT_OUT: Narrative = {
  status: "empty",
  div: '<div xmlns="http://www.w3.org/1999/xhtml">This narrative is left out: what it says was changed since.</div>',
};
const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
  amp: "&",
};

/** Whether a resource has a narrative that holds one of these texts, as words of their own. */
export function isTold({ text }: FhirResource, values: readonly (string | null)[]): boolean {
  const div = (text as Partial<Narrative> | undefined)?.div;
  if (typeof div !== "string") return false;
  const told = flat(wordsIn(div));
  return values.some((value) => {
    const words = flat(value ?? "");
    return (
      words !== "" &&
      new RegExp(`(?<![\\p{L}\\p{N}])${RegExp.escape(words)}(?![\\p{L}\\p{N}])`, "u").test(told)
    );
  });
}

/** A resource whose narrative says these lines; without lines, that it is left out. */
export function retold(resource: FhirResource, lines: readonly string[] = []): FhirResource {
  const text: Narrative =
    lines.length === 0
      ? LEFT_OUT
      : {
          status: "extensions",
          div: `<div xmlns="http://www.w3.org/1999/xhtml">${lines.map((line) => `<p>${escaped(line)}</p>`).join("")}</div>`,
        };
  return { ...resource, text };
}

const flat = (text: string): string => text.normalize("NFKC").toLowerCase().replace(/\s+/g, " ").trim();

const wordsIn = (html: string): string =>
  html
    .replace(/<[^>]*>/g, " ")
    .replace(/&(lt|gt|quot|apos|nbsp|amp|#\d{1,7}|#x[0-9a-f]{1,6});/gi, (whole, name: string) => {
      const code = name.startsWith("#") ? Number(name.replace(/^#x/i, "0x").replace("#", "")) : -1;
      return code >= 0 && code <= 0x10ffff
        ? String.fromCodePoint(code)
        : (ENTITIES[name.toLowerCase()] ?? whole);
    });

const escaped = (text: string): string =>
  // What XML does not allow is in no narrative.
  [...text]
    .filter((char) => !/[\p{Cc}\uFFFE\uFFFF]/u.test(char) || /[\t\n\r]/.test(char))
    .join("")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");

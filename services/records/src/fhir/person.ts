import { z } from "zod";
import { toInstant } from "./date.ts";
import { Count, Strings } from "./element.ts";

/** How FHIR R4 names and reaches a person (https://hl7.org/fhir/R4/datatypes.html#HumanName). */
const Lasting = z.looseObject({
  use: z.string().optional(),
  period: z.looseObject({ start: z.string().optional(), end: z.string().optional() }).optional(),
});
const DAY_CHARS = "2000-01-01".length;
type Lasting = z.infer<typeof Lasting>;

export const HumanName = Lasting.extend({
  text: z.string().optional(),
  family: z.string().optional(),
  given: Strings,
});
export type HumanName = z.infer<typeof HumanName>;

export const Telecom = Lasting.extend({
  system: z.string().optional(),
  value: z.string().optional(),
  rank: Count.optional(),
});

export const Address = Lasting.extend({
  text: z.string().optional(),
  line: Strings,
  city: z.string().optional(),
  state: z.string().optional(),
  postalCode: z.string().optional(),
  country: z.string().optional(),
});

/** The name that a person goes by now: one that ended only when there is no other. */
export function currentName(names: readonly HumanName[], now: Date): HumanName | undefined {
  const said = names.filter(({ text, family, given }) => text || family || given.length > 0);
  const current = said.filter((one) => isCurrent(one, now));
  const order = ["official", "usual", undefined, "nickname", "temp", "anonymous", "maiden", "old"];
  return byUse(current.length > 0 ? current : said, order)[0];
}

/** Every part of every name, of whatever use and time, for a search; none of what is no name. */
export function everyName(names: unknown): string[] {
  return (Array.isArray(names) ? names : []).flatMap((one) => {
    const name = HumanName.safeParse(one).data;
    return name ? [name.text ?? "", name.family ?? "", ...name.given] : [];
  });
}

/** Where a person lives now, or else is reached by post; null when nothing says it. */
export function currentAddress(addresses: readonly z.infer<typeof Address>[], now: Date): string | null {
  const current = addresses.filter((one) => isCurrent(one, now));
  const texts = byUse(current, ["home", undefined, "temp", "work", "billing"]).map(addressText);
  return texts.find(Boolean) ?? null;
}

/** The number or address by which a person is best reached now; null when nothing says it. */
export function currentContact(
  telecom: readonly z.infer<typeof Telecom>[],
  system: string,
  now: Date,
): string | null {
  const current = telecom.filter((one) => one.system === system && one.value && isCurrent(one, now));
  const rank = (one: (typeof current)[number]) => one.rank ?? Number.MAX_SAFE_INTEGER;
  return current.toSorted((a, b) => rank(a) - rank(b))[0]?.value ?? null;
}

/**
 * A name in the two fields of ours, each of its words once. The text fills in what its parts leave
 * out: behind the given names or before them stands the family name. Where it does not part so, it
 * stands whole as the family name.
 */
export function partedName(name: HumanName | undefined): { givenName: string; familyName: string } {
  const [given, family, text] = [name?.given.join(" "), name?.family, name?.text].map(
    (one) => one?.trim().replace(/\s+/g, " ") ?? "",
  ) as [string, string, string];
  if (text === "" || (given !== "" && family !== "")) return { givenName: given, familyName: family };
  if (family !== "") {
    const rest = without(text, family);
    return rest === null ? { givenName: "", familyName: text } : { givenName: rest, familyName: family };
  }
  const rest = text.startsWith(given) ? without(text, given) : null;
  return rest === null ? { givenName: "", familyName: text } : { givenName: given, familyName: rest };
}

/** What a text says before or after some whole words of it; null where they are not at an end. */
function without(text: string, words: string): string | null {
  if (text === words) return "";
  if (text.startsWith(`${words} `)) return text.slice(words.length + 1);
  return text.endsWith(` ${words}`) ? text.slice(0, -words.length - 1) : null;
}

function isCurrent({ use, period }: Lasting, now: Date): boolean {
  if (use === "old" || use === "maiden") return false;
  const instant = now.toISOString();
  const start = toInstant(period?.start ?? "");
  if (start !== null && start > instant) return false;
  // A period lasts to the end of the day, month or year that it names.
  const end = period?.end ?? "";
  if (end.length <= DAY_CHARS) return toInstant(end) === null || end >= instant.slice(0, end.length);
  return (toInstant(end) ?? instant) >= instant;
}

/** Those of the first use first, and otherwise as they came. */
function byUse<T extends Lasting>(list: readonly T[], order: readonly (string | undefined)[]): T[] {
  const place = ({ use }: T) => (order.includes(use) ? order.indexOf(use) : order.length);
  return list.toSorted((a, b) => place(a) - place(b));
}

/** An address in one line: as it was written, else of its parts. */
export function addressText(address: z.infer<typeof Address>): string | null {
  const { line, city, state, postalCode, country } = address;
  const place = [state, postalCode].filter(Boolean).join(" ");
  return address.text || [...line, city, place, country].filter(Boolean).join(", ") || null;
}

import { z } from "zod";
import { mailedAddress } from "./mail-address.ts";

/**
 * Input that is not screened: clinical text, words to search for, and secrets. The gateway screens
 * every other string for attacks. A schema keeps its mark through `refine`, `optional`, `nullable`
 * and `default`.
 */
export const unscreened = z.registry<{ why: "free text" | "search" | "secret" }>();

/**
 * What UTF-8 cannot carry is refused: a lone surrogate becomes U+FFFD on its way to a hash, an
 * index or a mail, where it would equal another text.
 */
export const wellFormed = (schema: z.ZodString) =>
  schema.refine((value) => value.isWellFormed(), "must be well-formed Unicode");

/**
 * Clinical text is kept to the letter: nothing is trimmed, escaped or refused for its looks. Only
 * text that UTF-8 cannot carry (a lone surrogate) is refused, since it would come back changed.
 */
export const text = (maxChars: number) => term(maxChars).register(unscreened, { why: "free text" });

/** What someone searches for: a search answers what it finds, whatever the words look like. */
export const searched = (maxChars: number) => term(maxChars).register(unscreened, { why: "search" });

/** A short text with a structure (a code, an id): kept to the letter, screened. */
export const term = (maxChars: number) =>
  wellFormed(z.string().min(1).max(maxChars)).refine((value) => !value.includes("\0"), "must not hold a NUL");

/**
 * Part of a person's name: some people have one name, and which part that is nobody can say. Left
 * out, null and "" say alike that there is none.
 */
export const namePart = wellFormed(z.string().max(200))
  .refine((value) => value === "" || /[^\s\p{Cf}]/u.test(value), "must not be blank")
  .refine((value) => !value.includes("\0"), "must not hold a NUL")
  .register(unscreened, { why: "free text" })
  .nullable()
  .optional();

const DAY_PATTERN = "\\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\\d|3[01]))?)?";
const DAY = new RegExp(`^(?!0000)${DAY_PATTERN}$`);
const TIME_PATTERN = "T([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d(\\.\\d{1,9})?)?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
const YEARS = "in the years 0001 to 9999";

/** Whether a text is a year, a month or a day of the calendar, in the years 0001 to 9999. */
export function isPartialDate(value: string): boolean {
  return DAY.test(value) && (value.length < 10 || z.regexes.date.test(value));
}

/** `1980`, `1980-05` or `1980-05-12`: as precise as it was said. */
export const partialDate = z
  .stringFormat("partial-date", isPartialDate, `must be YYYY, YYYY-MM or YYYY-MM-DD, ${YEARS}`)
  .meta({ pattern: `^${DAY_PATTERN}$` });

/** ISO 8601 knows a year 0000; PostgreSQL and FHIR do not. */
export const date = z.iso.date().refine((value) => value >= "0001", "must be in year 0001 or later");
/** Nobody is born tomorrow; a day of grace, since it is tomorrow somewhere. */
export const birthDate = partialDate.refine(
  (value) => value <= new Date(Date.now() + 86_400_000).toISOString().slice(0, 10),
  "must not be in the future",
);

/** What an answer shows masked: sent back as it was shown, it would overwrite what it hides. */
export const unmasked = <T extends z.ZodType<string>>(schema: T) =>
  schema.refine(
    (value) => !value.includes("••••"),
    "is a mask: leave the field out, or send the whole value",
  );

/** With `Z` or an offset; kept and answered in UTC, to the millisecond. */
export const instant = z.iso.datetime({ offset: true }).refine((value) => {
  const year = new Date(value).getUTCFullYear();
  return year >= 1 && year <= 9999;
}, "must be in the years 0001 to 9999");

/** A partial date, or an instant where a time was said. */
export const dateOrInstant = z
  .stringFormat(
    "partial-date-time",
    (value) => isPartialDate(value) || instant.safeParse(value).success,
    `must be YYYY, YYYY-MM, YYYY-MM-DD or a full date-time such as 2026-01-31T09:30:00Z, ${YEARS}`,
  )
  .meta({ pattern: `^(${DAY_PATTERN}|\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])${TIME_PATTERN})$` });

export const bodyLimit = z.int().min(1).max(100).default(20);
export const bodyCursor = z.string().max(2000).optional();

export const Email = mailedAddress();
/** Only its length is checked here; the policy judges the rest (`weak_password`). */
export const Password = wellFormed(z.string().min(1).max(256)).register(unscreened, { why: "secret" });
/** 256 random bits in base64url. */
export const OpaqueToken = z.string().min(20).max(200);
/** A TOTP or a recovery code, as typed: with spaces or hyphens between its characters, say. */
export const Code = z.string().min(6).max(100);

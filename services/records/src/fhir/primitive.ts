import { isDecimal } from "@medvault/contracts";
import { toInstant } from "./date.ts";

/** What is wrong with a primitive, and whether even a lenient reader cannot take it. */
export interface PrimitiveFault {
  /** Another JSON type, or another form of the right one. */
  code: "structure" | "value";
  message: string;
  /** Of another JSON type, or no date at all; else it is only not written as R4 wants it. */
  isUnreadable: boolean;
}

/** Control characters, but for tab, line feed and carriage return: R4 has no text with them. */
export const UNTEXTUAL = /[^\t\n\r -\uffff]/g;
const MAX_STRING_CHARS = 1_048_576;
const MAX_INT = 2_147_483_647;
const DAY = "(?!0000)\\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\\d|3[01])";
const CLOCK = "T([01]\\d|2[0-3]):[0-5]\\d:([0-5]\\d|60)(\\.\\d+)?(Z|[+-](0\\d|1[0-4]):[0-5]\\d)";
const DATE = new RegExp(`^${DAY})?)?$`);
const DATE_TIME = new RegExp(`^${DAY}(${CLOCK})?)?)?$`);
const INSTANT = new RegExp(`^${DAY}${CLOCK}))$`);
/** Every month has so many days. */
const SURE_DAYS = 28;
const TIME = /^([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)(\.\d+)?)?$/;
const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;

/** https://hl7.org/fhir/R4/datatypes.html#primitive, by the JSON type that each is written as. */
const TEXTS: Readonly<Record<string, (text: string) => PrimitiveFault | null>> = {
  string: textFault,
  markdown: textFault,
  code: (text) => format(/^\S+( \S+)*$/.test(text), "must be a code: no blanks around it or two in a row"),
  id: (text) =>
    format(/^[A-Za-z0-9.-]{1,64}$/.test(text), "must be an id: 1 to 64 letters, digits, hyphens and dots"),
  uri: uriFault,
  url: uriFault,
  canonical: uriFault,
  uuid: uriFault,
  oid: (text) => format(/^urn:oid:[0-2](\.(0|[1-9]\d*))+$/.test(text), "must be an OID: urn:oid:1.2.3"),
  base64Binary: (text) => format(BASE64.test(text), "must be Base64"),
  xhtml: () => null,
  date: (text) => dateFault(text, DATE, "must be a date: 1980, 1980-05 or 1980-05-12"),
  dateTime: (text) =>
    dateFault(text, DATE_TIME, "must be a date (1980, 1980-05, 1980-05-12) or 1980-05-12T08:30:00Z"),
  instant: (text) => dateFault(text, INSTANT, "must be an instant: 1980-05-12T08:30:00Z"),
  time: (text) => format(TIME.test(text), "must be a time: 08:30:00", true),
};
const NUMBERS: Readonly<Record<string, [min: number, max: number]>> = {
  decimal: [-Infinity, Infinity],
  integer: [-MAX_INT - 1, MAX_INT],
  unsignedInt: [0, MAX_INT],
  positiveInt: [1, MAX_INT],
};

export function isPrimitive(type: string): boolean {
  return type === "boolean" || Object.hasOwn(TEXTS, type) || Object.hasOwn(NUMBERS, type);
}

/** What is wrong with a value for a primitive type of R4; null when nothing is. */
export function primitiveFault(type: string, value: unknown): PrimitiveFault | null {
  if (type === "boolean") return typeof value === "boolean" ? null : unreadable("must be true or false");
  const range = NUMBERS[type];
  if (range) return numberFault(type, value, range);
  if (typeof value !== "string") return unreadable("must be text");
  if (value.trim() === "") return format(false, "must not be empty");
  return TEXTS[type]?.(value) ?? null;
}

function numberFault(type: string, said: unknown, [min, max]: [number, number]): PrimitiveFault | null {
  const value = isDecimal(said) ? Number(said["#"]) : said;
  if (typeof value !== "number") return unreadable("must be a number");
  if (type !== "decimal" && !Number.isInteger(value)) return unreadable("must be a whole number");
  if (type !== "decimal" && isDecimal(said)) return format(false, "must be written in digits alone");
  return format(value >= min && value <= max, `must be from ${min} to ${max}`);
}

function textFault(text: string): PrimitiveFault | null {
  if (text.length > MAX_STRING_CHARS) return format(false, "must be at most 1 MiB of text");
  return format(text.search(UNTEXTUAL) === -1, "must hold no control characters");
}

function uriFault(text: string): PrimitiveFault | null {
  return format(/^\S*$/.test(text), "must be a URI, which has no blanks");
}

/** Readers take more than R4 allows: a time without seconds or offset, a day for an instant. */
function dateFault(text: string, strict: RegExp, message: string): PrimitiveFault | null {
  if (strict.test(text) && Number(text.slice(8, 10)) <= SURE_DAYS) return null;
  const isUnreadable = toInstant(text) === null;
  return format(!isUnreadable && strict.test(text), message, isUnreadable);
}

const unreadable = (message: string): PrimitiveFault => ({ code: "structure", message, isUnreadable: true });
const format = (isRight: boolean, message: string, isUnreadable = false): PrimitiveFault | null =>
  isRight ? null : { code: "value", message, isUnreadable };

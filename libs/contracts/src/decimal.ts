/**
 * A number whose digits JavaScript would not keep, as FHIR has it: `1.00`, `1e2`, one of twenty
 * digits. Plain data, so that it may be stored, compared and sent to other threads like all else;
 * no name of FHIR begins with `#`.
 */
export interface Decimal {
  readonly "#": string;
}

export function isDecimal(value: unknown): value is Decimal {
  return typeof value === "object" && value !== null && "#" in value;
}

/** A JSON number with its digits: a number where JavaScript spells it the same. */
export function decimalOf(digits: string): number | Decimal {
  const value = Number(digits);
  return String(value) === digits ? value : { "#": digits };
}

const IN_TEXT = /\{"#":"(-?[0-9.eE+-]+)"\}/g;

/** JSON in which decimals are numbers with the digits that they came with. */
export function losslessJson(value: unknown): string {
  const text = JSON.stringify(value);
  // Within a JSON text quotes are escaped: this stands nowhere but where a decimal is.
  return text.includes('{"#":"') ? text.replaceAll(IN_TEXT, "$1") : text;
}

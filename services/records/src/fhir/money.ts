import { isCurrency } from "@medvault/contracts";

/**
 * An amount in the minor unit of its ISO 4217 currency: 125.5 USD is 12550, 125 JPY is 125. Null
 * for a currency that is none, a negative amount, or one beyond what an integer holds exactly.
 * Rounded to the nearest unit.
 */
export function toMinorUnits(value: number | string, currency: string): number | null {
  if (!isCurrency(currency) || !Number.isFinite(Number(value)) || Number(value) < 0) return null;
  const [mantissa, exponent = "0"] = String(value).toLowerCase().split("e");
  // Shifting the decimal point in the text avoids 1.005 * 100 = 100.49999999999999.
  const minor = Math.round(Number(`${mantissa}e${Number(exponent) + fractionDigits(currency)}`));
  return Number.isSafeInteger(minor) ? minor : null;
}

const digits = new Map<string, number>();

/** How many digits of a currency are behind its point. */
export function fractionDigits(currency: string): number {
  const known = digits.get(currency);
  if (known !== undefined) return known;
  const format = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
  const found = format.maximumFractionDigits ?? 2;
  digits.set(currency, found);
  return found;
}

/**
 * A code without what people and keyboards put between its characters: spaces of every kind,
 * hyphens, dashes, invisible marks; full-width digits are digits.
 */
export function typedCode(typed: string): string {
  return typed.normalize("NFKC").replace(/[\s\p{Dash}\p{Cf}]/gu, "");
}

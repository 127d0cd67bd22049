import { compact } from "@medvault/crypto";

/**
 * How a number may stand in rows that were written before numbers were compared without spaces,
 * hyphens and dots, beside the spelling that is asked for: the usual ones of 9, 10 and 11 digits.
 */
export function spellingsOf(nationalId: string): string[] {
  const bare = compact(nationalId);
  const parted = (parts: RegExp) => {
    const found = parts.exec(bare)?.slice(1) ?? [];
    return found.length === 0 ? [] : [found.join("-"), found.join(" ")];
  };
  return [
    nationalId,
    ...parted(/^(\d{3})(\d{2})(\d{4})$/),
    ...parted(/^(\d{3})(\d{3})(\d{4})$/),
    ...parted(/^(\d{3})(\d{3})(\d{3})$/),
    ...parted(/^(\d{6})(\d{4,5})$/),
  ];
}

import type { Change } from "./comparison.ts";
import type { Finding } from "./rounds.ts";

export function keeps({
  measured,
  atLeast = Number.NEGATIVE_INFINITY,
  atMost = Number.POSITIVE_INFINITY,
}: Finding): boolean {
  return measured >= atLeast && measured <= atMost;
}

export function line(finding: Finding): string {
  const { name, measured, unit, atLeast, atMost, note = "" } = finding;
  const target = atLeast !== undefined ? `≥ ${atLeast}` : atMost !== undefined ? `≤ ${atMost}` : "";
  const mark = keeps(finding) ? "✓" : "✗";
  return `${mark} ${name.padEnd(62)} ${measured.toFixed(2).padStart(6)} ${unit.padEnd(5)} ${target.padEnd(7)} ${note}`;
}

export const changeLine = ({ name, was, is, verdict }: Change): string =>
  `${verdict.padEnd(6)} ${name.padEnd(62)} ${was.toFixed(2).padStart(6)} → ${is.toFixed(2)}`;

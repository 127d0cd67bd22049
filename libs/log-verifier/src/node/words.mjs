// What the command says of a report.
import { printable } from "../bytes.mjs";

/** @typedef {import("../export.mjs").ExportReport} ExportReport */
/** @typedef {import("../verify.mjs").Report} Report */

/** @param {Report} report @param {string | null} evidence */
export const jsonOf = ({ next: _next, ...report }, evidence) => ({
  ...report,
  firstBadIndex: report.findings.find(({ index }) => index !== null)?.index ?? null,
  evidence,
});

/** @param {Report} report @param {string | null} evidence */
export function wordsOf(report, evidence) {
  const { findings, size, from, witnesses, completeness } = report;
  const lines = findings.map(({ kind, words }) => `FOUND (${kind}): ${printable(words, 600)}.`);
  if (report.ok) {
    const read = from === 0 ? "all were read" : `the ${size - from} new ones were read`;
    lines.push(
      `VALID: the log "${printable(report.origin)}" has ${size} entries as they were signed; ${read}.`,
    );
  } else lines.push(`NOT VALID: ${findings.length} ${findings.length === 1 ? "finding" : "findings"}.`);
  if (witnesses.of > 0)
    lines.push(
      `Witnesses: ${witnesses.by.length} of ${witnesses.of} cosigned, ${witnesses.quorum} asked for.`,
    );
  if (report.bodies > 0)
    lines.push(
      `Bodies: ${report.bodies} were read and give their entries; ${report.dropped} were dropped when their time was over.`,
    );
  const by = {
    entries: "counted from the entries",
    service: "as the service says, not counted",
    nobody: "not known",
  };
  lines.push(`Numbers of producers: ${by[completeness.by]}, ${completeness.gaps.length} gaps.`);
  for (const words of report.unchecked) lines.push(`Not checked: ${words}.`);
  if (evidence) lines.push(`The checkpoint is kept as evidence in ${evidence}.`);
  return `${lines.join("\n")}\n`;
}

/** @param {ExportReport} report */
export const exportJson = (report) => ({ ...report, firstBadIndex: firstIndex(report.findings) });

/** @param {readonly import("../difference.mjs").Finding[]} findings */
const firstIndex = (findings) => findings.find(({ index }) => index !== null)?.index ?? null;

/** @param {ExportReport} report */
export function exportWords({ ok, findings, range, size, origin, gaps, unchecked }) {
  const lines = findings.map(({ kind, words }) => `FOUND (${kind}): ${printable(words, 600)}.`);
  const all = range.isFiltered ? "those that a filter let through, none removed from the log" : "all of them";
  if (ok)
    lines.push(
      `VALID: the export has ${range.count} entries of ${range.first} to ${range.end - 1} of the log "${printable(origin)}", ${all}; its signed checkpoint counts ${size}.`,
    );
  else lines.push(`NOT VALID: ${findings.length} ${findings.length === 1 ? "finding" : "findings"}.`);
  if (gaps !== null) lines.push(`Numbers of producers: counted from the entries, ${gaps.length} gaps.`);
  for (const words of unchecked) lines.push(`Not checked: ${words}.`);
  return `${lines.join("\n")}\n`;
}

import { basename } from "node:path";
import type { FileResult, Stored } from "./send.ts";

const BAR_CELLS = 24;

export interface Reporter {
  starting(path: string): void;
  waiting(seconds: number): void;
  done(result: FileResult): void;
  summary(results: readonly FileResult[], planned: number): void;
}

/** A bar on a terminal, plain lines elsewhere, one document with `--json`. */
export function createReporter(json: boolean, files: number): Reporter {
  if (json) return jsonReporter();
  const out = process.stdout;
  let done = 0;
  let current = "";
  const clear = () => {
    if (out.isTTY) out.write("\r\x1b[2K");
  };
  const bar = (suffix = "") => {
    if (!out.isTTY || done >= files) return;
    const filled = Math.round((done / files) * BAR_CELLS);
    const cells = "█".repeat(filled) + "░".repeat(BAR_CELLS - filled);
    const line = `${cells} ${done}/${files} ${basename(current)}${suffix}`;
    out.write(`\r\x1b[2K${line.slice(0, Math.max(20, (out.columns ?? 80) - 1))}`);
  };
  return {
    starting(path) {
      current = path;
      bar();
    },
    waiting(seconds) {
      if (out.isTTY) bar(` (asked to wait ${seconds} s)`);
      else out.write(`  asked to wait ${seconds} s\n`);
    },
    done(result) {
      done += 1;
      clear();
      const name = basename(result.path);
      out.write(result.ok ? `ok      ${name}: ${told(result)}\n` : `failed  ${name}: ${result.error}\n`);
      bar();
    },
    summary(results, planned) {
      clear();
      out.write(`${summaryText(results, planned)}\n`);
    },
  };
}

function jsonReporter(): Reporter {
  return {
    starting() {},
    waiting() {},
    done() {},
    summary(results, planned) {
      const document = {
        planned,
        loaded: results.filter((r) => r.ok).length,
        sums: sumsOf(results),
        files: results,
      };
      process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    },
  };
}

function told(result: Extract<FileResult, { ok: true }>): string {
  const { stored, existing } = result.answer;
  const kept = keptOf(result.answer);
  const parts = [
    counted(stored.patients, "patient"),
    counted(stored.records, "record"),
    counted(stored.prescriptions, "prescription"),
    counted(stored.claims, "claim"),
    kept > 0 ? `${kept} kept as they came` : "",
    existing > 0 ? `${existing} known already` : "",
  ].filter(Boolean);
  const what = parts.length > 0 ? parts.join(", ") : "nothing in it";
  return `${what} (${(result.tookMs / 1000).toFixed(1)} s${result.replayed ? ", loaded before" : ""})`;
}

function summaryText(results: readonly FileResult[], planned: number): string {
  const loaded = results.filter((result) => result.ok).length;
  const sums = sumsOf(results);
  const skipped = planned - results.length;
  const what = `${sums.patients} patients, ${sums.records} records, ${sums.prescriptions} prescriptions, ${sums.claims} claims, ${sums.kept} kept as they came, ${sums.existing} known already`;
  const seconds = (results.reduce((sum, result) => sum + result.tookMs, 0) / 1000).toFixed(1);
  return `${loaded} of ${planned} bundles loaded in ${seconds} s${skipped > 0 ? `, ${skipped} not tried` : ""}: ${what}.`;
}

function sumsOf(results: readonly FileResult[]) {
  const sums = { patients: 0, records: 0, prescriptions: 0, claims: 0, kept: 0, existing: 0 };
  for (const result of results) {
    if (!result.ok) continue;
    sums.patients += result.answer.stored.patients;
    sums.records += result.answer.stored.records;
    sums.prescriptions += result.answer.stored.prescriptions;
    sums.claims += result.answer.stored.claims;
    sums.kept += keptOf(result.answer);
    sums.existing += result.answer.existing;
  }
  return sums;
}

const keptOf = (answer: Stored): number => Object.values(answer.kept).reduce((sum, n) => sum + n, 0);
const counted = (n: number, noun: string): string => (n === 0 ? "" : `${n} ${noun}${n === 1 ? "" : "s"}`);

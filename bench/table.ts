import type { Finding, WorkDone } from "./rounds.ts";

type Shares = Readonly<Record<string, number>>;

/** Tables of what was measured, in Markdown: for the terminal, and for docs/performance.md. */
export function worksTables(findings: readonly Finding[]): string {
  const works = findings.flatMap(({ done }) => (done ? [done] : []));
  if (works.length === 0) return "";
  return [speedTable(works), costTable(works)].join("\n\n");
}

function speedTable(works: readonly WorkDone[]): string {
  const rows = works.map(({ work, connections, ours, bare }) => [
    `${work}, c=${connections}`,
    ours.perSecond.toFixed(0),
    bare.perSecond.toFixed(0),
    `${((100 * ours.perSecond) / bare.perSecond).toFixed(0)} %`,
    `${ms(ours.p50Ms)} / ${ms(ours.p99Ms)}`,
    `${ms(bare.p50Ms)} / ${ms(bare.p99Ms)}`,
    `**${ms(sum(ours.cpuMs))}**: ${shares(ours.cpuMs, sum(ours.cpuMs) / 100, ms)}`,
    ms(sum(bare.cpuMs)),
  ]);
  return table(
    ["work", "a second", "bare", "of bare", "p50 / p99 ms", "bare", "processor ms of a request", "bare"],
    rows,
  );
}

function costTable(works: readonly WorkDone[]): string {
  const rows = works.map((done) => [
    `${done.work}, c=${done.connections}`,
    shares(done.statements, 0.1, (value) => value.toFixed(1)),
    done.redisCommands.toFixed(1),
    shares(done.http, 0.1, (value) => value.toFixed(0)),
    garbage(done),
    kib(done.walBytes),
    shares(done.writtenBytes, sum(done.writtenBytes) / 50, kib),
  ]);
  return table(
    [
      "work",
      "statements of a request",
      "Redis commands",
      "HTTP requests",
      "garbage collection, % of the processor time",
      "WAL KiB",
      "KiB to disks",
    ],
    rows,
  );
}

const garbage = ({ gcMs, ours }: WorkDone): string =>
  shares(
    Object.fromEntries(
      Object.entries(gcMs)
        .filter(([name]) => (ours.cpuMs[name] ?? 0) > sum(ours.cpuMs) / 20)
        .map(([name, spent]) => [name, (100 * spent) / (ours.cpuMs[name] ?? 1)]),
    ),
    0,
    (value) => value.toFixed(0),
  );

export function targetsTable(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ name, measured, unit, atLeast, atMost }) => {
    if (atLeast === undefined && atMost === undefined) return [];
    const isKept = measured >= (atLeast ?? measured) && measured <= (atMost ?? measured);
    const unitName = unit === "ratio" || unit === "count" ? "" : ` ${unit}`;
    const target = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
    return [[name, `${target}${unitName}`, `${short(measured)}${unitName}`, isKept ? "yes" : "**no**"]];
  });
  return table(["what", "target", "measured", "kept"], rows);
}

/** Those of at least `least`, the largest first. */
const shares = (of: Shares, least: number, write: (value: number) => string): string =>
  Object.entries(of)
    .filter(([, value]) => value >= least)
    .sort(([, a], [, b]) => b - a)
    .map(([name, value]) => `${name} ${write(value)}`)
    .join(", ");

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

export const sum = (of: Shares): number => Object.values(of).reduce((all, one) => all + one, 0);
const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));
const kib = (bytes: number): string => (bytes / 1024).toFixed(1);
const short = (value: number): string => String(Number(value.toPrecision(3)));

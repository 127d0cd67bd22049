import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { root, sharedPath } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { promtool } from "../servers/promtool.ts";
import { alerts, dashboards, eventTypesIn, firedAlerts, metricsIn, telemetryDir } from "./rules.ts";

const found = await promtool(sharedPath("promtool"), console.log);

/** What promtool says, or why it is not asked. */
async function promtoolSays(skip: (why: string) => never, args: string[]) {
  if ("missing" in found) return skip(found.missing);
  return run(found.executable, args, { cwd: telemetryDir });
}

test("each alert says how bad it is, names a runbook that has it, and is fired by a test", () => {
  const all = alerts();
  expect(all.length).toBeGreaterThan(25);
  expect(firedAlerts().sort()).toEqual(all.map(({ name }) => name).sort());
  for (const { name, severity, runbook, expr } of all) {
    expect(["critical", "warning"], name).toContain(severity);
    const [file = "", heading] = runbook.split("#");
    expect(heading, name).toBe(name.toLowerCase());
    expect(fs.readFileSync(path.join(root, file), "utf8"), name).toContain(`\n## ${name}\n`);
    expect(metricsIn(expr).length, expr).toBeGreaterThan(0);
  }
});

test("each rule fires when it should, and a quiet system fires none", async ({ skip }) => {
  const { code, words } = await promtoolSays(skip, ["test", "rules", "alerts.test.yml"]);
  expect(code, words).toBe(0);
}, 300_000);

test("the four dashboards have names of their own, and every query in them is one", async ({ skip }) => {
  const all = dashboards();
  expect(all.map(({ uid }) => uid).sort()).toEqual(
    ["data", "events", "overview", "security"].map((name) => `medvault-${name}`),
  );
  const queries = all.flatMap(({ panels }) =>
    panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  );
  const rules = queries.map((expr, at) => ({
    record: `query:${at}`,
    expr: expr.replaceAll("$__rate_interval", "5m"),
  }));
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "medvault-queries-")), "queries.yml");
  fs.writeFileSync(file, JSON.stringify({ groups: [{ name: "queries", rules }] })); // JSON is YAML
  try {
    const { code, words } = await promtoolSays(skip, ["check", "rules", file]);
    expect(code, words).toBe(0);
  } finally {
    fs.rmSync(path.dirname(file), { recursive: true });
  }
});

test("metrics and types of events are read out of an expression, and nothing else of it", () => {
  const expr = `histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{job="gateway"}[5m]))) > 2
    and time() - max(audit_last_checkpoint_timestamp_seconds) > 0 or absent(up{job="x_y"})`;
  expect(metricsIn(expr)).toEqual([
    ...["http_request_duration_seconds", "audit_last_checkpoint_timestamp_seconds", "up"],
  ]);
  expect(eventTypesIn('events_total{type=~"a[.](b[.](c|d)|e)[.]v1"}').sort()).toEqual(
    expect.arrayContaining(["a.b.c.v1", "a.b.d.v1", "a.e.v1"]),
  );
});

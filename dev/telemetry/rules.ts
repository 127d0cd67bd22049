// What is in deploy/telemetry: alert rules, their tests, dashboards, and the metrics that they name.
import fs from "node:fs";
import path from "node:path";
import { root } from "../lib/paths.mjs";

export const telemetryDir = path.join(root, "deploy/telemetry");
const read = (file: string) => fs.readFileSync(path.join(telemetryDir, file), "utf8");

export interface Alert {
  readonly name: string;
  readonly expr: string;
  readonly severity: string;
  /** `docs/runbooks/<file>.md#<heading>` */
  readonly runbook: string;
}

/** The rules as alerts.yml has them, written as that file is written. */
export function alerts(): Alert[] {
  const [, ...rules] = read("alerts.yml").split(/^ {6}- alert: /m);
  return rules.map((rule) => ({
    name: /^\w+/.exec(rule)?.[0] ?? "",
    expr: (/^ {8}expr: (?:>-\n)?((?:.|\n {10})+)/m.exec(rule)?.[1] ?? "").replace(/\s+/g, " "),
    severity: /severity: (\w+)/.exec(rule)?.[1] ?? "",
    runbook: /runbook: (\S+)/.exec(rule)?.[1] ?? "",
  }));
}

/** Names of the alerts that alerts.test.yml fires. */
export function firedAlerts(): string[] {
  const fired = /^ {8}alertname: (\w+)\n {8}exp_alerts:\n {10}- exp_labels/gm;
  return [...read("alerts.test.yml").matchAll(fired)].map(([, name = ""]) => name);
}

/** The same rules, as the operator of Prometheus takes them. */
export const prometheusRule =
  (): string => `# Made of alerts.yml: \`npm test -- dev/generated -u\` writes it again.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: medvault
spec:
${read("alerts.yml").replace(/^(?=.)/gm, "  ")}`;

export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

export const dashboards = (): Dashboard[] =>
  fs
    .readdirSync(path.join(telemetryDir, "dashboards"))
    .map((file) => ({ file, ...(JSON.parse(read(`dashboards/${file}`)) as Omit<Dashboard, "file">) }));

const WORDS = new Set(["by", "on", "ignoring", "without", "and", "or", "unless", "offset", "bool", "le"]);

/** The metrics that an expression names, without what Prometheus adds to a histogram. */
export function metricsIn(expr: string): string[] {
  const bare = expr
    .replace(/"[^"]*"/g, "")
    .replace(/\{[^}]*\}|\[[^\]]*\]|\b(by|on|ignoring|without)\s*\([^)]*\)/g, " ");
  const names = [...bare.matchAll(/[a-z_]\w*(?!\w*\s*\()/gi)].map(([name]) => name);
  return names
    .filter((name) => !WORDS.has(name) && /[a-z]_[a-z]|^up$/.test(name))
    .map((name) => name.replace(/_(bucket|count|sum)$/, ""));
}

/** Types of events that an expression names; `[.]` is a dot, and one of several stands in brackets. */
export function eventTypesIn(expr: string): string[] {
  const patterns = [...expr.matchAll(/type=~?"([^"]+)"/g)].map(([, pattern = ""]) => pattern);
  return patterns.flatMap((pattern) => spelledOut(pattern.replaceAll("[.]", ".")));
}

function spelledOut(pattern: string): string[] {
  const inner = /\(([^()]*)\)/.exec(pattern);
  if (!inner) return [pattern];
  const [all, choices = ""] = inner;
  // Of a group within a group every choice is tried before the outer one is.
  return choices.split("|").flatMap((choice) => spelledOut(pattern.replace(all, choice)));
}

// Kinds of manifests that are played, as far as they are read here.
import type { PodSpec } from "../check/pods.ts";
import type { Manifest } from "../check/render.ts";

export interface Template {
  metadata?: { labels?: Record<string, string> };
  spec: PodSpec;
}
export interface Workload {
  readonly name: string;
  readonly kind: string;
  readonly replicas: number;
  readonly template: Template;
  readonly strategy: { maxSurge: number; maxUnavailable: number };
  readonly claims: readonly string[];
}
export interface ServiceSpec {
  readonly name: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly { port: number; targetPort: number | string }[];
}

const named = (manifests: readonly Manifest[], kind: string, name: string) =>
  manifests.find((one) => one.kind === kind && one.metadata.name === name);

/** Deployments and StatefulSets, with as many replicas as their autoscaler begins with. */
export function workloadsOf(manifests: readonly Manifest[], kind: "Deployment" | "StatefulSet"): Workload[] {
  return manifests
    .filter((one) => one.kind === kind)
    .map((manifest) => {
      const { name } = manifest.metadata;
      const spec = manifest.spec as {
        replicas?: number;
        template: Template;
        strategy?: { rollingUpdate?: { maxSurge?: number | string; maxUnavailable?: number | string } };
        volumeClaimTemplates?: { metadata: { name: string } }[];
      };
      const scaler = named(manifests, "HorizontalPodAutoscaler", name)?.spec as
        | { minReplicas: number }
        | undefined;
      const replicas = scaler?.minReplicas ?? spec.replicas ?? 1;
      const { maxSurge = "25%", maxUnavailable = "25%" } = spec.strategy?.rollingUpdate ?? {};
      return {
        ...{ name, kind, replicas, template: spec.template },
        strategy: {
          maxSurge: countOf(maxSurge, replicas, Math.ceil),
          maxUnavailable: countOf(maxUnavailable, replicas, Math.floor),
        },
        claims: (spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
      };
    });
}

function countOf(value: number | string, of: number, round: (n: number) => number): number {
  return typeof value === "number" ? value : round((Number.parseInt(value, 10) / 100) * of);
}

export function jobTemplates(manifests: readonly Manifest[]): { name: string; template: Template }[] {
  return manifests
    .filter(({ kind }) => kind === "Job")
    .map(({ metadata, spec }) => ({
      name: metadata.name,
      template: (spec as { template: Template }).template,
    }));
}

export function cronTemplates(manifests: readonly Manifest[]): Map<string, Template> {
  const found = manifests.filter(({ kind }) => kind === "CronJob");
  return new Map(
    found.map(({ metadata, spec }) => [
      metadata.name,
      (spec as { jobTemplate: { spec: { template: Template } } }).jobTemplate.spec.template,
    ]),
  );
}

export function servicesOf(manifests: readonly Manifest[]): ServiceSpec[] {
  return manifests
    .filter(({ kind }) => kind === "Service")
    .map(({ metadata, spec }) => {
      const { selector, ports } = spec as {
        selector: Record<string, string>;
        ports: { port: number; targetPort?: number | string }[];
      };
      return {
        name: metadata.name,
        selector,
        ports: ports.map(({ port, targetPort = port }) => ({ port, targetPort })),
      };
    });
}

interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values: string[] }[];
}
/** `selector`: a map of labels, as Services have it, or a selector of NetworkPolicies. */
export function matches(labels: Readonly<Record<string, string>>, selector: object = {}): boolean {
  const { matchLabels, matchExpressions } = selector as Selector;
  const wanted = matchLabels ?? (matchExpressions ? {} : (selector as Record<string, string>));
  return (
    Object.entries(wanted).every(([key, value]) => labels[key] === value) &&
    (matchExpressions ?? []).every(({ key, operator, values }) => {
      if (operator !== "In") throw new Error(`the operator ${operator} is not played`);
      return values.includes(labels[key] ?? "");
    })
  );
}

// The pods of manifests, whatever kind they are in, and what their containers are.
import type { Manifest } from "./render.ts";
import { nameOf } from "./schemas.ts";

interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: { secretKeyRef?: { name: string; key: string }; fieldRef?: { fieldPath: string } };
}
export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: EnvVar[];
  volumeMounts?: { name: string; mountPath: string; subPath?: string; readOnly?: boolean }[];
  resources?: Record<"requests" | "limits", Record<string, string> | undefined>;
  securityContext?: Record<string, unknown> & { capabilities?: { add?: string[]; drop?: string[] } };
  [probe: string]: unknown;
}
export interface Volume {
  name: string;
  secret?: { secretName: string; items?: { key: string; path: string }[] };
  configMap?: { name: string };
  persistentVolumeClaim?: { claimName: string };
  projected?: { sources: { secret?: { name: string } }[] };
  [source: string]: unknown;
}
export interface PodSpec {
  containers: Container[];
  initContainers?: Container[];
  volumes?: Volume[];
  securityContext?: Record<string, unknown>;
  automountServiceAccountToken?: boolean;
  topologySpreadConstraints?: unknown[];
  terminationGracePeriodSeconds?: number;
  [field: string]: unknown;
}
export interface Pod {
  /** The manifest that it is in: `Deployment auth`. */
  readonly owner: string;
  readonly kind: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
}

interface Template {
  metadata?: { labels?: Record<string, string> };
  spec: PodSpec;
}

const TEMPLATE: Readonly<Record<string, (spec: never) => Template>> = {
  Deployment: ({ template }: { template: Template }) => template,
  StatefulSet: ({ template }: { template: Template }) => template,
  Job: ({ template }: { template: Template }) => template,
  CronJob: ({ jobTemplate }: { jobTemplate: { spec: { template: Template } } }) => jobTemplate.spec.template,
};

export function podsOf(manifests: readonly Manifest[]): Pod[] {
  return manifests.flatMap((manifest) => {
    const template = TEMPLATE[manifest.kind]?.(manifest.spec as never);
    if (!template) return [];
    const { metadata: { labels = {} } = {}, spec } = template;
    return [{ owner: nameOf(manifest), kind: manifest.kind, labels, spec }];
  });
}

export const containersOf = ({ spec }: Pod): Container[] => [
  ...(spec.initContainers ?? []),
  ...spec.containers,
];

/** The program of ours that a container runs; null: it is another's image. */
export function entryOf({ image, args = [] }: Container): string | null {
  return /(^|\/)medvault(:|@|$)/.test(image) ? (args[0] ?? "") : null;
}

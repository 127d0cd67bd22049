// Whether a manifest is what its kind's schema says: values by the compiled schemas, names of fields
// by the types, which the schemas leave open.
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Manifest } from "./render.ts";

const here = import.meta.dirname;

/** The package that knows an API group. */
const PACKAGES: Readonly<Record<string, string>> = {
  "cert-manager.io": "@kubernetes-models/cert-manager/",
  "external-secrets.io": "@kubernetes-models/external-secrets/",
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api/",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator/",
  "postgresql.cnpg.io": "@kubernetes-models/cloudnative-pg/",
};

/** Kinds of operators that publish no schema as a package. */
const WITHOUT_SCHEMA: ReadonlySet<string> = new Set(["rabbitmq.com/v1beta1"]);

function moduleOf(apiVersion: string): string {
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  const known = PACKAGES[group];
  if (known) return `${known}${apiVersion}`;
  return `kubernetes-models/${apiVersion}`;
}

type Model = new (data: unknown) => { validate(): void };

async function modelOf({ apiVersion, kind }: Manifest): Promise<Model | undefined> {
  const models = await import(moduleOf(apiVersion)).catch(() => ({}));
  return models[kind];
}

/** Those of a kind that no schema knows here. */
export async function withoutSchema(manifests: readonly Manifest[]): Promise<Manifest[]> {
  const models = await Promise.all(manifests.map(modelOf));
  return manifests.filter((_, at) => !models[at]);
}

/** One sentence per value that breaks its schema, or manifest whose kind no schema knows. */
export async function schemaBreaches(manifests: readonly Manifest[]): Promise<string[]> {
  const found = await Promise.all(
    manifests.map(async (manifest) => {
      const name = nameOf(manifest);
      if (WITHOUT_SCHEMA.has(manifest.apiVersion)) return [];
      const Model = await modelOf(manifest);
      if (!Model) return [`${name}: no schema knows ${manifest.apiVersion} ${manifest.kind}`];
      try {
        new Model(manifest).validate();
        return [];
      } catch (error) {
        return (error as Error).message.split("\n").map((line) => `${name}: ${line}`);
      }
    }),
  );
  return found.flat();
}

/** What the compiler says of the manifests as literals of their types: a misspelt field, for one. */
export function typeBreaches(manifests: readonly Manifest[]): string[] {
  const file = path.join(here, "manifests.generated.ts");
  const known = manifests.filter(({ apiVersion }) => !WITHOUT_SCHEMA.has(apiVersion));
  const lines = known.flatMap((manifest, at) => [
    `import type { I${manifest.kind} as T${at} } from "${moduleOf(manifest.apiVersion)}";`,
    `export const m${at}: T${at} = ${JSON.stringify(manifest)};`,
  ]);
  writeFileSync(file, `${lines.join("\n")}\n`);
  try {
    execFileSync(path.resolve(here, "../../node_modules/.bin/tsc"), ["--noEmit", "-p", here], {
      encoding: "utf8",
    });
    return [];
  } catch (error) {
    return String((error as { stdout?: string }).stdout)
      .trim()
      .split("\n");
  } finally {
    rmSync(file);
  }
}

export const nameOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}`;

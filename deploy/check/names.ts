// What is called otherwise in each cluster: the values of overlays/production/names.env, which an operator replaces.
import { readFileSync } from "node:fs";
import path from "node:path";
import { k8s, type Manifest } from "./render.ts";
import { nameOf } from "./schemas.ts";

export interface OutsideName {
  readonly name: string;
  /** The value that stands for the operator's, and works nowhere. */
  readonly shipped: string;
  /** What to put in its place. */
  readonly help: string;
}

/** Each name has its help above it, as a comment. */
export function outsideNames(): OutsideName[] {
  const text = readFileSync(path.join(k8s, "overlays/production/names.env"), "utf8");
  return [...text.matchAll(/^# (.+)\n([A-Z_]+)=(.+)$/gm)].map(([, help = "", name = "", shipped = ""]) => ({
    name,
    shipped,
    help,
  }));
}

/** One sentence per name that is still as it was shipped, wherever it has ended up. */
export function unreplacedNames(manifests: readonly Manifest[]): string[] {
  return outsideNames().flatMap(({ name, shipped, help }) => {
    const places = manifests.filter((manifest) => stringsIn(manifest).some((one) => one.includes(shipped)));
    if (places.length === 0) return [];
    return [`${name} is still ${shipped} (in ${listed(places.map(nameOf))}); put there: ${help}`];
  });
}

function listed([first = "", ...others]: string[]): string {
  return others.length > 1 ? `${first} and ${others.length} others` : [first, ...others].join(" and ");
}

function stringsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value ? Object.values(value).flatMap(stringsIn) : [];
}

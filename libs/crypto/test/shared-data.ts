import { existsSync, readFileSync } from "node:fs";

const FOLDER = new URL("../../../../shared/data/crypto/", import.meta.url);

/** Public vectors that lie beside the repository on some machines; null where they do not. */
export function sharedVectors<T>(path: string): T | null {
  const file = new URL(path, FOLDER);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as T) : null;
}

/** As sharedVectors, for a text; empty where it is not at hand. */
export function sharedText(path: string): string {
  const file = new URL(path, FOLDER);
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

/** The project's own vectors, from libs/crypto/vectors. */
export function ownVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8")) as T;
}

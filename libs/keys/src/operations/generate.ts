import { randomBytes } from "node:crypto";
import { createDurably } from "../providers/durable-file.ts";
import { documentText } from "../providers/key-document.ts";

/**
 * Makes a service's key file with one active version, mode 0600, in a folder of mode 0700. A file
 * that exists is kept: what it opens could never be opened again. Returns which of the two
 * happened. Safe against a crash and against another process doing the same.
 */
export async function generateKeyFile(path: string, service: string): Promise<"made" | "kept"> {
  const key = randomBytes(32);
  const createdAt = new Date().toISOString();
  const versions = [{ version: 1, state: "active" as const, key: key.toString("base64"), createdAt }];
  key.fill(0);
  return (await createDurably(path, documentText({ service, versions }))) ? "made" : "kept";
}

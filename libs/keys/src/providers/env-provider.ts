import { readKeyDocument, ServiceKeys } from "./key-document.ts";
import type { KeyProvider } from "./provider.ts";

/**
 * The service's keys from the content of an environment variable: the key file's JSON, or base64 of
 * it. Throws KeyDocumentInvalid or KeysOfAnotherService.
 */
export function envKeyProvider(content: string, service: string): KeyProvider {
  const text = content.trimStart().startsWith("{")
    ? content
    : Buffer.from(content, "base64").toString("utf8");
  const where = "MEDVAULT_KEYS";
  const keys = new ServiceKeys(readKeyDocument(text, service, where), where);
  return {
    kind: "env",
    where,
    current: () => keys.current,
    versions: () => keys.versions,
    key: (version) => keys.key(version),
    keysCalled: (version) => keys.keysCalled(version),
    reload: () => undefined, // a process's environment does not change
  };
}

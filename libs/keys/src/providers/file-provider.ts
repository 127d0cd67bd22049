import { KeyDocumentInvalid, KeyFileReplaced } from "../errors.ts";
import { ServiceKeys } from "./key-document.ts";
import { hasChanged, type KeyFile, readKeyFile } from "./key-file.ts";
import type { KeyProvider } from "./provider.ts";

/**
 * The service's keys from a file that only its owner may read. Throws KeyFileMissing,
 * KeyFileTooOpen, KeyFileUnreadable, KeyDocumentInvalid or KeysOfAnotherService.
 */
export function fileKeyProvider(path: string, service: string): KeyProvider {
  const first = readKeyFile(path, service);
  return documentProvider("file", path, service, first, (file) => keysInFile(file, path));
}

/**
 * A provider over a key document in a file, which is looked at again whenever a key is about to be
 * wrapped or one is met that is not under the active version: the look is one stat, and the file is
 * read only when it is another one. One without a key that was known (an older copy, another
 * installation's) is not taken up: what there is goes on, and KeyFileReplaced says so.
 */
export function documentProvider(
  kind: string,
  path: string,
  service: string,
  first: KeyFile,
  keysOf: (file: KeyFile) => ServiceKeys,
): KeyProvider {
  let keys = keysOf(first);
  let stamp = first.stamp;
  const reload = (): void => {
    if (!hasChanged(path, stamp)) return;
    const file = readKeyFile(path, service);
    const now = keysOf(file);
    const lost = now.versionLostSince(keys);
    if (lost !== null) throw new KeyFileReplaced(path, lost);
    keys = now;
    stamp = file.stamp;
  };
  return {
    kind,
    where: path,
    current: () => keys.current,
    versions: () => keys.versions,
    key: (version) => keys.key(version),
    keysCalled: (version) => keys.keysCalled(version),
    reload,
  };
}

function keysInFile({ document }: KeyFile, path: string): ServiceKeys {
  if (document.vault) throw new KeyDocumentInvalid(path, ["its keys are wrapped by Vault"]);
  return new ServiceKeys(document, path);
}

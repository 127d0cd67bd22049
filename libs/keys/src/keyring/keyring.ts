import type { KeyObject } from "node:crypto";
import {
  DerivingKey,
  readWrappedKeyHeader,
  unwrapKey,
  WrappedKeyCommitmentMismatch,
  WrappedKeyFormatUnknown,
  WrappedKeyTruncated,
  type WrappingKey,
  wrapKey,
} from "@medvault/crypto";
import type { Db } from "@medvault/postgres";
import { NoKeySource } from "../errors.ts";
import { envKeyProvider } from "../providers/env-provider.ts";
import { fileKeyProvider } from "../providers/file-provider.ts";
import { ServiceKeys } from "../providers/key-document.ts";
import { readKeyFile } from "../providers/key-file.ts";
import type { KeyProvider, ServiceKeyVersion } from "../providers/provider.ts";
import { vaultKeyProvider } from "../providers/vault-provider.ts";
import { assertKeysFit } from "./known-keys.ts";
import { type OpenedKey, OpenedKeys } from "./opened-keys.ts";

// For each 32 bytes, 128 to derive from, and two strings of 45 and 94 characters: some 5 MB.
const MAX_OPENED_KEYS = 10_000;

export interface KeyringOptions {
  readonly service: string;
  /** Path of the key file; its mode must be 0600 or stricter. */
  readonly keysFile?: string | undefined;
  /** The content of the environment variable that holds the keys. */
  readonly keysEnv?: string | undefined;
}

/**
 * Reads the service's keys as createKeyring does, and forgets them; asks no Vault. Throws as that
 * does.
 */
export function checkKeys({ service, keysFile, keysEnv }: KeyringOptions): void {
  if (keysEnv !== undefined) envKeyProvider(keysEnv, service);
  if (keysFile === undefined) return;
  const { document } = readKeyFile(keysFile, service);
  if (!document.vault) new ServiceKeys(document, keysFile);
}

/** Opens the service's keys. Throws NoKeySource unless there is one source, or as providers do. */
export async function createKeyring(options: KeyringOptions): Promise<Keyring> {
  const { service, keysFile, keysEnv } = options;
  if ((keysFile === undefined) === (keysEnv === undefined)) throw new NoKeySource(service);
  if (keysFile !== undefined) return new Keyring(service, await providerOf(keysFile, service));
  return new Keyring(service, envKeyProvider(keysEnv ?? "", service));
}

/**
 * The service's keys, once they are proved to be those of its tables: what every process begins
 * with. Throws as createKeyring does, and KeysDoNotFit.
 */
export async function openKeyring(db: Db, options: KeyringOptions): Promise<Keyring> {
  const keyring = await createKeyring(options);
  await assertKeysFit(db, keyring);
  return keyring;
}

/** The file says itself whether its keys are plain or wrapped by Vault. */
async function providerOf(keysFile: string, service: string): Promise<KeyProvider> {
  return readKeyFile(keysFile, service).document.vault
    ? vaultKeyProvider(keysFile, service)
    : fileKeyProvider(keysFile, service);
}

/** One service's keys in one process: wraps and unwraps all others, remembers the last opened. */
export class Keyring {
  readonly service: string;
  readonly provider: KeyProvider;
  readonly #opened: OpenedKeys;
  #openedUnder: readonly ServiceKeyVersion[] = [];

  constructor(service: string, provider: KeyProvider, maxOpenedKeys: number = MAX_OPENED_KEYS) {
    this.service = service;
    this.provider = provider;
    this.#opened = new OpenedKeys(maxOpenedKeys);
  }

  /** Wraps 32 bytes under the active version; `context` (kind, name) is needed to unwrap them. */
  wrap(key: Buffer, context: readonly string[], keyVersion = 1): Buffer {
    this.#refresh(); // a key wrapped under a version that was retired since would have to be wrapped again
    const { version } = this.provider.current();
    return wrapKey({ key: this.provider.key(version), version }, this.#bound(context), key, keyVersion);
  }

  /**
   * Unwraps a key into bytes of its own, which the caller wipes. Throws WrappedKeyRefused (changed,
   * or of another context or service), KeyVersionUnknown or KeyVersionDestroyed.
   */
  unwrap(wrapped: Buffer, context: readonly string[]): Buffer {
    const bound = this.#bound(context);
    try {
      return unwrapKey(this.#wrappingKey(wrapped), bound, wrapped);
    } catch (error) {
      const isOfOurForm = !(error instanceof WrappedKeyTruncated || error instanceof WrappedKeyFormatUnknown);
      const key = isOfOurForm ? this.#unwrapByOthers(wrapped, bound) : null;
      if (key === null) throw error;
      return key;
    }
  }

  /** As unwrap, from the bounded cache if it was opened before. Use at once; never wipe or keep. */
  opened(wrapped: Buffer, context: readonly string[]): OpenedKey {
    const versions = this.provider.versions();
    if (versions !== this.#openedUnder) this.#opened.wipe(); // one of them may be destroyed now
    this.#openedUnder = versions;
    return this.#opened.get(context.join("\0"), wrapped, () => {
      const key = this.unwrap(wrapped, context);
      const version = readWrappedKeyHeader(wrapped).keyVersion;
      return { key, version, deriving: new DerivingKey(key) };
    });
  }

  /** A subject's key. Throws as unwrap does. */
  subjectKey(wrapped: Buffer, subjectId: string): OpenedKey {
    return this.opened(wrapped, ["subject", subjectId]);
  }

  /**
   * The service keys that may open these wrapped keys, by version: for a thread that does. Use at
   * once, as `opened`.
   */
  serviceKeysOf(wrapped: readonly Buffer[]): Map<number, readonly KeyObject[]> {
    const versions = new Set(wrapped.map((key) => (key.length < 6 ? 0 : key.readUInt32BE(2))));
    const active = this.provider.current().version;
    if ([...versions].some((version) => version !== active)) this.#refresh();
    return new Map([...versions].map((version) => [version, this.provider.keysCalled(version)]));
  }

  /** The same key, wrapped under the active version; null when it is already. Throws as unwrap. */
  rewrap(wrapped: Buffer, context: readonly string[]): Buffer | null {
    this.#refresh();
    const { serviceKeyVersion, keyVersion } = readWrappedKeyHeader(wrapped);
    if (serviceKeyVersion === this.provider.current().version) return null;
    const key = this.unwrap(wrapped, context);
    try {
      return this.wrap(key, context, keyVersion);
    } finally {
      key.fill(0);
    }
  }

  /**
   * Looks whether the source has changed: a version that was destroyed leaves this process's
   * memory, with every key that was opened. Throws what reading throws; what was there stays then.
   */
  refresh(): void {
    this.provider.reload();
    if (this.provider.versions() !== this.#openedUnder) this.#opened.wipe();
    this.#openedUnder = this.provider.versions();
  }

  /** Forgets and wipes every opened key. */
  wipe(): void {
    this.#opened.wipe();
  }

  #bound(context: readonly string[]): readonly string[] {
    return [this.service, ...context];
  }

  /**
   * The active version is the common case. Any other makes us look whether the source has changed:
   * a new version is loaded when it is first met, and a destroyed one opens nothing, also in a
   * process that knew its key.
   */
  #wrappingKey(wrapped: Buffer): WrappingKey {
    const version = readWrappedKeyHeader(wrapped).serviceKeyVersion;
    const fault = version === this.provider.current().version ? null : this.#refresh();
    try {
      return { key: this.provider.key(version), version };
    } catch (error) {
      throw fault ?? error;
    }
  }

  /**
   * By a key that has or had this number, in the source as it is now: two that were joined both say
   * the one's number. Null where none opens it.
   */
  #unwrapByOthers(wrapped: Buffer, bound: readonly string[]): Buffer | null {
    const { serviceKeyVersion: version } = readWrappedKeyHeader(wrapped);
    this.#refresh();
    for (const key of this.provider.keysCalled(version)) {
      try {
        return unwrapKey({ key, version }, bound, wrapped);
      } catch (error) {
        if (!(error instanceof WrappedKeyCommitmentMismatch)) throw error;
      }
    }
    return null;
  }

  /** What went wrong, or null. A key file that is being moved does not stop a running process. */
  #refresh(): unknown {
    try {
      this.provider.reload();
      return null;
    } catch (error) {
      return error;
    }
  }
}

import type { KeyObject } from "node:crypto";

type ServiceKeyState = "active" | "retired" | "destroyed";

export interface ServiceKeyVersion {
  readonly version: number;
  readonly state: ServiceKeyState;
  readonly createdAt: string;
}

/**
 * Where a service's own keys come from. Exactly one version is active and wraps; retired ones still
 * unwrap; destroyed ones are remembered by number only. A key is handed out as a KeyObject, which
 * no log or error can print.
 */
export interface KeyProvider {
  readonly kind: string;
  /** The file or the setting that they are from, for sentences. */
  readonly where: string;
  current(): ServiceKeyVersion;
  versions(): readonly ServiceKeyVersion[];
  /** Throws KeyVersionUnknown or KeyVersionDestroyed. */
  key(version: number): KeyObject;
  /** The key of that version, if there is one, and those that had its number before a join. */
  keysCalled(version: number): readonly KeyObject[];
  /**
   * Reads the source again if it has changed, which is cheap to ask; a source that cannot change
   * does nothing. Throws what reading throws, and keeps what it had then. `versions()` is another
   * array afterwards if anything was read.
   */
  reload(): void;
}

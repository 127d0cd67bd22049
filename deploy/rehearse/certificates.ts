// What cert-manager does: a Secret for each Certificate, by an authority of this installation.
import { X509Certificate } from "node:crypto";
import { issue, newAuthority, type Pair } from "../../tools/secrets/certificates.ts";
import type { Manifest } from "../check/render.ts";
import type { Volumes } from "./volumes.ts";

interface Certificate {
  isCA?: boolean;
  secretName: string;
  dnsNames?: string[];
  usages: string[];
}

export class Authority {
  readonly #wanted: readonly Certificate[];
  readonly #volumes: Volumes;
  #authority: Pair | null = null;
  /** What every part trusts: more than one while an authority is replaced. */
  #trusted: string[] = [];

  constructor(manifests: readonly Manifest[], volumes: Volumes) {
    this.#wanted = manifests
      .filter(({ kind }) => kind === "Certificate")
      .map(({ spec }) => spec as Certificate)
      .filter(({ isCA }) => !isCA);
    this.#volumes = volumes;
  }

  /** For a client that stands outside: all that is trusted now. */
  get trusted(): string {
    return this.#trusted.map((cert) => `${cert.trim()}\n`).join("");
  }

  async begin(): Promise<void> {
    this.#authority = await newAuthority();
    this.#trusted = [this.#authority.cert];
    await this.issueAll();
  }

  /** The next authority; both are trusted, the former goes on to sign until `switchOver`. */
  async announceNext(): Promise<() => void> {
    const next = await newAuthority();
    this.#trusted = [...this.#trusted, next.cert];
    this.#spreadTrust();
    return () => {
      this.#authority = next;
    };
  }

  /** Only the authority that signs now. */
  forgetFormer(): void {
    this.#trusted = [this.#signing().cert];
    this.#spreadTrust();
  }

  /** New keys and certificates for all; the serial of each, by its secret. */
  async issueAll(): Promise<Map<string, string>> {
    const serials = new Map<string, string>();
    for (const { secretName, dnsNames = [], usages } of this.#wanted) {
      const pair = await this.issueFor(dnsNames, usages.includes("client auth") ? "service" : "server");
      this.#put(secretName, { "tls.crt": Buffer.from(pair.cert), "tls.key": Buffer.from(pair.key) });
      serials.set(secretName, new X509Certificate(pair.cert).serialNumber);
    }
    return serials;
  }

  issueFor(names: readonly string[], use: "server" | "service"): Promise<Pair> {
    return issue(this.#signing(), names, use);
  }

  #signing(): Pair {
    if (!this.#authority) throw new Error("there is no authority yet");
    return this.#authority;
  }

  #spreadTrust(): void {
    for (const { secretName } of this.#wanted) this.#put(secretName, {});
  }

  #put(secretName: string, content: Record<string, Buffer>): void {
    const before = this.#volumes.find("Secret", secretName);
    this.#volumes.put("Secret", secretName, { ...before, ...content, "ca.crt": Buffer.from(this.trusted) });
  }
}

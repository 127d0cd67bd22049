// What pods mount, as folders: Secrets and ConfigMaps as kubelet lays them out (a new version is
// swapped in by one rename), claims, and empty folders.
import fs from "node:fs";
import path from "node:path";
import type { PodSpec, Volume } from "../check/pods.ts";
import type { Manifest } from "../check/render.ts";

type Content = Record<string, Buffer>;
interface Source {
  secret?: { name?: string; secretName?: string; items?: Item[] };
  configMap?: { name: string; items?: Item[] };
}
interface Item {
  key: string;
  path: string;
}
/** A volume that shows Secrets or ConfigMaps. */
interface Shown {
  readonly dir: string;
  readonly sources: readonly Source[];
  readonly group: number;
  readonly mode: number;
}

export class Volumes {
  readonly #work: string;
  readonly #contents = new Map<string, Content>();
  readonly #shown = new Map<string, Shown[]>();
  #version = 0;

  constructor(work: string, manifests: readonly Manifest[]) {
    this.#work = work;
    for (const { kind, metadata, data } of manifests)
      if (kind === "Secret" || kind === "ConfigMap")
        this.put(
          kind,
          metadata.name,
          Object.fromEntries(
            Object.entries((data ?? {}) as Record<string, string>).map(([key, text]) => [
              key,
              Buffer.from(text, kind === "Secret" ? "base64" : "utf8"),
            ]),
          ),
        );
  }

  put(kind: string, name: string, content: Content): void {
    this.#contents.set(`${kind} ${name}`, content);
  }
  find(kind: string, name: string): Content | undefined {
    return this.#contents.get(`${kind} ${name}`);
  }
  get(kind: string, name: string): Content {
    const found = this.find(kind, name);
    if (!found) throw new Error(`no ${kind} ${name}`);
    return found;
  }

  claim(name: string): string {
    return path.join(this.#work, "claims", name);
  }

  /** The folder of each volume of a pod, by the volume's name. `claims`: of a StatefulSet. */
  make(pod: string, spec: PodSpec, claims: readonly string[] = []): Map<string, string> {
    const group = Number((spec.securityContext as { fsGroup?: number } | undefined)?.fsGroup ?? 0);
    const own = claims.map((name) => ({
      name,
      persistentVolumeClaim: { claimName: `${name}-${pod}` },
    }));
    const made = new Map<string, string>();
    for (const volume of [...(spec.volumes ?? []), ...own])
      made.set(volume.name, this.#make(pod, volume, group));
    return made;
  }

  forget(pod: string): void {
    this.#shown.delete(pod);
    fs.rmSync(path.join(this.#work, "pods", pod), { recursive: true, force: true });
  }

  /** Shows a pod what its Secrets are now, as kubelet does now and then. */
  refresh(pod: string): void {
    for (const shown of this.#shown.get(pod) ?? []) this.#show(shown);
  }

  #make(pod: string, volume: Volume, group: number): string {
    const { name, secret, configMap, persistentVolumeClaim: claim, projected, emptyDir } = volume;
    if (claim) return shared(this.claim(claim.claimName), group);
    const dir = path.join(this.#work, "pods", pod, name);
    if (emptyDir) return shared(dir, group, 0o2777);
    fs.mkdirSync(dir, { recursive: true });
    const { sources, defaultMode } = (projected ?? {
      ...(secret ?? configMap),
      sources: [{ ...(secret ? { secret } : {}), ...(configMap ? { configMap } : {}) }],
    }) as { sources: Source[]; defaultMode?: number };
    const shown = { dir, sources, group, mode: defaultMode ?? 0o644 };
    this.#shown.set(pod, [...(this.#shown.get(pod) ?? []), shown]);
    this.#show(shown);
    return dir;
  }

  #show({ dir, sources, group, mode }: Shown): void {
    this.#version += 1;
    const version = `..version_${this.#version}`;
    fs.mkdirSync(path.join(dir, version));
    for (const { secret, configMap } of sources) {
      const content = secret
        ? this.get("Secret", secret.secretName ?? secret.name ?? "")
        : this.get("ConfigMap", configMap?.name ?? "");
      const items = (secret ?? configMap)?.items ?? Object.keys(content).map((key) => ({ key, path: key }));
      for (const { key, path: place } of items) {
        const file = path.join(dir, version, place);
        const bytes = content[key];
        if (!bytes) throw new Error(`${JSON.stringify(secret ?? configMap)} has no ${key}`);
        fs.writeFileSync(file, bytes);
        fs.chmodSync(file, mode | (group ? 0o440 : 0));
        fs.chownSync(file, 0, group);
        const link = path.join(dir, place);
        if (!fs.lstatSync(link, { throwIfNoEntry: false })) fs.symlinkSync(path.join("..data", place), link);
      }
    }
    const data = path.join(dir, "..data");
    const former = fs.lstatSync(data, { throwIfNoEntry: false }) && fs.readlinkSync(data);
    fs.symlinkSync(version, `${data}_tmp`);
    fs.renameSync(`${data}_tmp`, data);
    if (former) fs.rmSync(path.join(dir, former), { recursive: true });
  }
}

/** For a group, as kubelet makes a volume: at the first mount alone (OnRootMismatch). */
function shared(dir: string, group: number, mode = 0o2775): string {
  if (!fs.existsSync(dir)) {
    fs.mkdirSync(dir, { recursive: true });
    fs.chownSync(dir, 0, group);
    fs.chmodSync(dir, mode);
  }
  return dir;
}

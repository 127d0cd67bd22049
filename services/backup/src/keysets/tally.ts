/** How many keys lie under each version of a service's key; stray: those that cannot be renewed. */
export class Tally {
  readonly #counts = new Map<string, { service: string; version: number; keys: number; stray: number }>();

  add(service: string, version: number, isStray = false): void {
    const name = `${service}/${version}`;
    const count = this.#counts.get(name) ?? { service, version, keys: 0, stray: 0 };
    this.#counts.set(name, { ...count, keys: count.keys + 1, stray: count.stray + (isStray ? 1 : 0) });
  }

  get all() {
    return [...this.#counts.values()];
  }
}

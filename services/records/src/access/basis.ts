/** Why someone reaches a chart, where it is not for what their scope says. */
export type Basis = "break_glass" | "consent";

/** On what a statement found, with its basis. A symbol, so that it is never sealed or shown. */
export const BASIS: unique symbol = Symbol("basis");

/** The value with what a statement found in its column `basis`. */
export const onBasis = <T extends object>(value: T, basis: unknown): T =>
  basis === null || basis === undefined ? value : Object.assign(value, { [BASIS]: basis });

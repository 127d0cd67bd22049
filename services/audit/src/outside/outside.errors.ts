/**
 * A file of the outside store is missing or not what it must be. `message` names it; it holds no
 * body.
 */
export class OutsideDamaged extends Error {
  override readonly name = "OutsideDamaged";
}

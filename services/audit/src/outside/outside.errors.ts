/** A file of the outside store is missing or wrong. `message` names it, and holds no body. */
export class OutsideDamaged extends Error {
  override readonly name = "OutsideDamaged";
}

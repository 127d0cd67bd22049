/** A file of the outside store is missing or wrong. `message` names it, and holds no body. */
export class OutsideDamaged extends Error {
  override readonly name = "OutsideDamaged";
}

/** Another writer has taken the store over, or it was taken from under this one. */
export class OutsideTaken extends Error {
  override readonly name = "OutsideTaken";
  constructor() {
    super("the store outside is another writer's");
  }
}

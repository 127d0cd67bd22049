/** A migration file itself is wrong: its name, its number, or what it does to its transaction. */
export class MigrationInvalid extends Error {
  override readonly name = "MigrationInvalid";
  constructor(file: string, fault: string) {
    super(`Migration ${file} ${fault}.`);
  }
}

/** A file was changed after it was applied. Forward only: restore it and add another. */
export class MigrationDrift extends Error {
  override readonly name = "MigrationDrift";
  constructor(schema: string, file: string) {
    super(
      `Migration ${file} of schema ${schema} was changed after it had been applied; restore it and add a new one.`,
    );
  }
}

/** A file is numbered before an applied one: it would run in another order here than elsewhere. */
export class MigrationOutOfOrder extends Error {
  override readonly name = "MigrationOutOfOrder";
  constructor(schema: string, file: string) {
    super(
      `Migration ${file} of schema ${schema} is numbered before one that is applied already; give it the next number.`,
    );
  }
}

/** The database lacks a migration that this code needs. */
export class MigrationMissing extends Error {
  override readonly name = "MigrationMissing";
  constructor(schema: string, file: string) {
    super(`Schema ${schema} lacks migration ${file}; run \`npm run migrate\` first.`);
  }
}

/** A file failed; nothing of it stays. The cause is what Postgres said. */
export class MigrationFailed extends Error {
  override readonly name = "MigrationFailed";
  constructor(schema: string, file: string, cause: unknown) {
    const said = cause instanceof Error ? cause.message : "unknown";
    super(`Migration ${file} of schema ${schema} failed and was rolled back: ${said}`, { cause });
  }
}

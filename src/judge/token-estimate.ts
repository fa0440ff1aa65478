/** How many tokens a text will have, by its length and what texts had lately: what is asked is weighed before it is encoded. */

/** Characters for which one token is counted at first. */
const USUAL = 4;
/** Of so many characters the oldest are forgotten. */
const MEMORY = 200_000;
/** What the first guess counts for. */
const SEED = 2_000;

export class TokenEstimate {
  #characters = SEED;
  #tokens = SEED / USUAL;

  of(characters: number): number {
    return Math.ceil((characters * this.#tokens) / this.#characters);
  }

  /** Texts of so many characters had so many tokens. */
  learn(characters: number, tokens: number): void {
    const kept = Math.exp(-characters / MEMORY);
    this.#characters = this.#characters * kept + characters;
    this.#tokens = this.#tokens * kept + tokens;
  }
}

/** Something that the user can mend; told without a stack. */
export class Problem extends Error {}

/** The command line is wrong. */
export class Usage extends Problem {}

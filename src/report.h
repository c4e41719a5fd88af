/* `weir report`: what the ledger says of a period.
 *
 * The ledger is opened to be read alone, while a router may be writing it.
 * All is added up in whole numbers; percentiles are exact, of the rows. */
#ifndef WEIR_REPORT_H
#define WEIR_REPORT_H

/* The words behind `weir`, "report" first.  Returns the exit status: 1 when
 * there is no ledger to read, 2 when the words are not understood. */
int report_main(int argc, char **argv);

#endif

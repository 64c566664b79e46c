/* cells.h - the code of a notebook's cells, compiled in from cells/NAME.py: lines, ending with NULL. Internal. */
#ifndef NS_EXPORT_CELLS_H
#define NS_EXPORT_CELLS_H

extern const char *const ns_cell_open[], *const ns_cell_runs[], *const ns_cell_heads[], *const ns_cell_top[];
extern const char *const ns_cell_births[], *const ns_cell_bands[], *const ns_cell_curves[], *const ns_cell_page[];

#endif

/*
 * search_attributes.h
 *		The types of search attributes.
 */
#ifndef TASKQ_SEARCH_ATTRIBUTES_H
#define TASKQ_SEARCH_ATTRIBUTES_H

extern const char *search_attribute_type(const char *name);
extern void search_attribute_forget(const char *name);
extern PGDLLEXPORT const char *search_attribute_declare(const char *name,
														const char *type);

#endif							/* TASKQ_SEARCH_ATTRIBUTES_H */

/* A shared object that is no plugin. */
int trefoil_no_plugin = 1;

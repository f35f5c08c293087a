#!/bin/bash
# Whether a node of a Galera cluster may be used: it belongs to the greater part
# and has all that the others have.  haproxy's external-check, which passes the
# listener's address and port and the node's.  The account may do nothing but connect.
#
#   tests/ha/node-ready.sh ADDRESS PORT NODE_ADDRESS NODE_PORT
said=$(/usr/bin/mariadb --no-defaults -h 127.0.0.1 -P "$4" -u balancer --connect-timeout=2 --batch --skip-column-names information_schema \
  -e "select group_concat(variable_value order by variable_name) from global_status
      where variable_name in ('wsrep_cluster_status', 'wsrep_local_state_comment', 'wsrep_ready')" 2>/dev/null)
[ "$said" = Primary,Synced,ON ]

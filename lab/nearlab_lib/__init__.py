# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lab: an internetwork of real BIRD routers and the real daemons, emulated with Mininet.

A reader's map, from what a user touches down to the kernel:

  cli.py        the `nearlab` command; what runs on the host (the outer process)
  outer.py      labs as the host has them: started, waited for, ended
  state.py      the folder of each running lab: its lock, its control socket
  isolate.py    namespaces: how a lab is cut off from the host, and how to enter one
  keeper.py     the process inside that holds the network and answers the control socket

  library.py userfile.py    where topologies and scenarios are found, also those of the user's own

  topology.py   Internet: Mininet's Topo with routers, LANs, autonomous systems
  checked.py    what is wrong with a topology, before it is brought up
  routing.py    BIRD configurations, as a pure function of the topology
  nodes.py      what a router, an ARN, a service node, a client, a publisher run
  links.py      wires with delay and loss, LANs
  daemons.py    a supervised process in a node
  faults.py script.py       what can be broken, and healed; at which times

  scenario.py   what a scenario file can say
  media.py      the video that is published
  pcap.py rtpdump.py compare.py    what was sent, what came out, and whether it is the same
  report.py timeline.py            what a run leaves behind
  soak.py       many runs
"""

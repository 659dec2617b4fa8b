package callhome

// eula is the agreement that somebody accepts before the first message is sent
// (CH-34). Its lines fit a serial terminal.
const eula = `AGREEMENT ON CALL HOME

1. With Call Home this box tells its vendor of itself, so that faults are seen
   early and help knows the box. You accept this for whoever owns the box.

2. Smart Call Home sends
   - on the first of every month: an inventory (hardware, versions, partitions,
     services, names and addresses of the box, its licence server), telemetry
     (neighbours by type, numbers of calls, use of processors, memory and disks,
     name servers, earlier versions), and how many rows each table of the
     configuration has;
   - alerts: what is wrong with the box, and since when. They can name
     neighbours;
   - with each: the contact details that are configured;
   - with "include-traces" only: what show commands print about an alert, the
     last lines of the log among it, and crash files. They can name neighbours,
     operators, and the addresses of both.

3. Anonymous Call Home sends inventory and telemetry without the contact, names
   and addresses of the box, without alerts and without diagnostics. Anonymous
   is about persons, not about the box: its serial number and the MAC address
   that licences know it by ARE SENT IN THIS MODE, TOO.

4. Never sent: who calls whom, what is said or signalled, the configuration
   itself, passwords, keys and other secrets.

5. Messages go to the destination that is configured, by HTTPS or e-mail, and
   to those who get copies or have a profile, which you choose. The vendor uses
   them to help with this box, and to see how the product is used and improve
   it.

6. You end this at any time with "mode disabled" or "no eula accept": what waits
   is not sent any more.

To accept: configure, call-home, eula accept, commit.
`

package mysqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/ownserver"
)

// nodes is the number of nodes of a Cluster: with one of them gone, the others are most of it.
const nodes = 3

// provider is where Debian's galera-4 has the library.
const provider = "/usr/lib/galera/libgalera_smm.so"

// Cluster is a Galera cluster of three nodes on this machine.
type Cluster struct {
	t     testing.TB
	as    *syscall.Credential
	Nodes [nodes]*Node
}

// Node is a server of a Cluster.
type Node struct {
	DB      *sql.DB // without a database
	home    string
	port    int
	base    int // the first of three ports for the other nodes
	process *os.Process
}

// StartCluster starts a cluster, which ends with the test. It needs Debian's mariadb-server, galera-4 and rsync.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	for _, needed := range []string{provider, "/usr/bin/wsrep_sst_rsync", "/usr/bin/rsync"} {
		if _, err := os.Stat(needed); err != nil {
			t.Fatalf("a cluster needs %s (Debian: apt-get install mariadb-server galera-4 rsync): %v", needed, err)
		}
	}
	c := &Cluster{t: t}
	install, err := program("mariadb-install-db", "/usr/bin/mariadb-install-db")
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Nodes {
		home, err := os.MkdirTemp(folder(), "galera") //nolint:usetesting // in memory, and the server's user must reach it
		if err == nil {
			c.as, err = ownserver.Unprivileged(home, users...)
		}
		switch {
		case err != nil:
		case i == 0:
			err = initialise(install, home, c.as)
		default: // a copy of the first one's files takes a fraction of the time
			err = exec.Command("cp", "-a", filepath.Join(c.Nodes[0].home, "data"), home).Run()
		}
		n := &Node{home: home}
		if err == nil {
			n.port, err = freePorts(1)
		}
		if err == nil {
			n.base, err = freePorts(3)
		}
		if err != nil {
			t.Fatal(errors.Join(err, os.RemoveAll(home)))
		}
		c.Nodes[i] = n
	}
	for i := range c.Nodes {
		c.Start(i)
	}
	return c
}

// joined is how long a node may take to join, which may copy all files.
const joined = 3 * time.Minute

// freePorts is the first of some ports in a row. They are none of those that connections get, so that they stay free while a node is down.
func freePorts(count int) (int, error) {
	for range 50 {
		first := 20_000 + rand.IntN(12_000)
		free := true
		for port := first; port < first+count; port++ {
			free = free && isFree(port)
		}
		if free {
			return first, nil
		}
	}
	return 0, errors.New("found no free ports in a row")
}

// Start starts a node, the first time or after it ended, and waits until it has joined the others.
func (c *Cluster) Start(i int) {
	c.t.Helper()
	n := c.Nodes[i]
	peers := ""
	if i > 0 || n.DB != nil { // else it founds the cluster
		var all []string
		for _, other := range c.Nodes {
			all = append(all, "127.0.0.1:"+strconv.Itoa(other.base))
		}
		peers = strings.Join(all, ",")
	}
	binary, err := program("mariadbd", "/usr/sbin/mariadbd", "/usr/libexec/mariadbd")
	if err != nil {
		c.t.Fatal(err)
	}
	stop, err := launch(binary, n.home, n.port, c.as,
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON", "--wsrep-provider="+provider, "--wsrep-cluster-name=test",
		"--wsrep-cluster-address=gcomm://"+peers, "--wsrep-node-name=n"+strconv.Itoa(i), "--wsrep-node-address=127.0.0.1:"+strconv.Itoa(n.base),
		"--wsrep-sst-method=rsync", "--wsrep-sst-receive-address=127.0.0.1:"+strconv.Itoa(n.base+2),
		fmt.Sprintf("--wsrep-provider-options=base_host=127.0.0.1;base_port=%d;gmcast.listen_addr=tcp://127.0.0.1:%[1]d;ist.recv_addr=127.0.0.1:%[2]d;ist.recv_bind=127.0.0.1:%[2]d",
			n.base, n.base+1))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(stop)
	if n.DB == nil {
		server, err := at("mysql://root@127.0.0.1:" + strconv.Itoa(n.port))
		if err != nil {
			c.t.Fatal(err)
		}
		n.DB = server.admin
		c.t.Cleanup(server.stop)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), joined)
	defer cancel()
	for state := ""; state != "Synced"; {
		found, err := Texts(ctx, n.DB, "SHOW STATUS LIKE 'wsrep_local_state_comment'", 1)
		if err == nil && len(found) == 1 {
			state = found[0]
		}
		if ctx.Err() != nil {
			log, _ := os.ReadFile(filepath.Join(n.home, "log"))
			c.t.Fatalf("node %d does not join: %s, %v\n%s", i, state, err, log[max(len(log)-4000, 0):])
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, err := os.ReadFile(filepath.Join(n.home, "pid"))
	if err != nil {
		c.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil {
		n.process, err = os.FindProcess(pid)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// Signal sends a signal to the process of a node.
func (c *Cluster) Signal(i int, signal syscall.Signal) {
	c.t.Helper()
	if err := c.Nodes[i].process.Signal(signal); err != nil {
		c.t.Fatal(err)
	}
}

// URL is that of a database on some nodes, in that order.
func (c *Cluster) URL(database string, order ...int) string {
	var hosts []string
	for _, i := range order {
		hosts = append(hosts, "127.0.0.1:"+strconv.Itoa(c.Nodes[i].port))
	}
	return "mysql://root@" + strings.Join(hosts, ",") + "/" + database
}

// Open is the application's connection to a database on a node.
func (c *Cluster) Open(i int, database string) *sql.DB {
	c.t.Helper()
	db := connect(c.t, "mysql://root@127.0.0.1:"+strconv.Itoa(c.Nodes[i].port), database, map[string]string{"wsrep_sync_wait": "1"})
	c.t.Cleanup(func() { _ = db.Close() })
	return db
}

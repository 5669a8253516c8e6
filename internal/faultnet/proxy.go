// Package faultnet is a network that fails, for tests: a TCP proxy that delays, swallows or cuts what passes through it.
package faultnet

import (
	"net"
	"sync"
	"testing"
	"time"
)

// chunk is the most that passes at once, so that a delay costs no throughput.
const chunk = 64 << 10

// Proxy passes connections on to a server until told otherwise.
type Proxy struct {
	listener net.Listener
	delay    time.Duration // each way

	mu     sync.Mutex
	target string // path of a socket
	mute   bool   // new connections get no answer
	links  map[*link]bool
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn
	mute           bool // what arrives is swallowed, permanently: the network has lost its state
}

// Start listens on a port of this machine, for a server that listens on a socket. Each way through takes delay. It ends with
// the test.
func Start(t testing.TB, socket string, delay time.Duration) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, delay: delay, target: socket, links: map[*link]bool{}}
	var accepting sync.WaitGroup
	accepting.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		accepting.Wait()
		p.Cut()
	})
	return p
}

// Addr is where the proxy listens: HOST:PORT.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Partition makes all connections mute, existing ones permanently and new ones until Heal: nothing arrives, nothing is
// refused.
func (p *Proxy) Partition() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = true
	for l := range p.links {
		l.mute = true
	}
}

// Heal lets new connections pass again. Those from before stay mute, as behind a firewall that forgot them.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = false
}

// Retarget has new connections go to another server, and cuts those to the old one.
func (p *Proxy) Retarget(socket string) {
	p.mu.Lock()
	p.target = socket
	p.mu.Unlock()
	p.Cut()
}

// Cut closes all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		l := &link{client: client, mute: p.mute}
		if !p.mute {
			l.server, err = net.Dial("unix", p.target)
		}
		p.links[l] = true
		p.mu.Unlock()
		if err != nil {
			p.end(l)
			continue
		}
		if l.server == nil { // mute since its beginning
			go p.swallow(l)
			continue
		}
		go p.pass(l, l.client, l.server)
		go p.pass(l, l.server, l.client)
	}
}

// piece is what arrived at some time.
type piece struct {
	data []byte
	at   time.Time
}

// pass passes on what arrives from one end to the other.
func (p *Proxy) pass(l *link, from, to net.Conn) {
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			data := make([]byte, chunk)
			n, err := from.Read(data)
			if err != nil {
				return
			}
			pieces <- piece{data[:n], time.Now()}
		}
	}()
	for next := range pieces {
		time.Sleep(time.Until(next.at.Add(p.delay)))
		p.mu.Lock()
		mute := l.mute
		p.mu.Unlock()
		if mute {
			continue
		}
		if _, err := to.Write(next.data); err != nil {
			break
		}
	}
	p.mu.Lock()
	mute := l.mute
	p.mu.Unlock()
	if !mute { // else the other end does not learn of the end of this one
		p.end(l)
	}
	for range pieces { // until the reader has ended
	}
}

// swallow reads until the client goes away.
func (p *Proxy) swallow(l *link) {
	defer p.end(l)
	data := make([]byte, chunk)
	for {
		if _, err := l.client.Read(data); err != nil {
			return
		}
	}
}

func (p *Proxy) end(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
	l.close()
}

func (l *link) close() {
	_ = l.client.Close()
	if l.server != nil {
		_ = l.server.Close()
	}
}

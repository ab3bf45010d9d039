// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"fmt"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

const contact = "Contact: <sip:u@198.51.100.7>;reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-00000000000a>\""

// Story plays ten minutes of a small proxy: phones that keep their promise and
// one that does not, a carrier whose trunk is in use both ways, a gateway that
// opens a connection for each request, and one that resets.
func (t *Traffic) Story() {
	phones := []*Conn{}
	for i := range 4 {
		phones = append(phones, t.phone(fmt.Sprintf("198.51.100.%d:%d", 20+i, 41000+17*i), fmt.Sprint("phone", i)))
		t.Wait(time.Duration(300+200*i) * time.Millisecond)
	}
	trunk := t.Open("203.0.113.5:5060", true, "kamailio")
	for beat := range 100 {
		t.Wait(5500 * time.Millisecond)
		for i, c := range phones {
			if beat%4 == i && !(i == 3 && beat > 14 && beat < 60) { // the last one forgets
				c.Send(false, "\r\n\r\n")
				t.Wait(18 * time.Millisecond)
				c.Send(true, "\r\n")
			}
		}
		id := fmt.Sprint("t", beat)
		switch beat % 9 {
		case 1, 4:
			trunk.transact(true, "OPTIONS", id, "200 OK")
		case 2:
			trunk.transact(true, "INVITE", id, []string{"200 OK", "486 Busy Here", "503 Service Unavailable"}[beat/9%3])
		case 6:
			trunk.transact(false, "INVITE", id, "200 OK")
		case 3, 7, 8:
			c := t.Open(fmt.Sprintf("198.51.100.77:%d", 50000+beat), false, "kamailio")
			c.transact(false, "MESSAGE", id, "202 Accepted")
			t.Wait(2100 * time.Millisecond)
			c.Close(event.Remote)
		case 5:
			c := t.Open(fmt.Sprintf("203.0.113.99:%d", 33000+beat), false, "kamailio")
			c.Request(false, "INVITE", id, "", "")
			t.Wait(420 * time.Millisecond)
			c.end(event.Remote, event.RST)
		}
	}
}

func (t *Traffic) phone(addr, id string) *Conn {
	c := t.Open(addr, false, "kamailio")
	t.Wait(12 * time.Millisecond)
	c.Request(false, "REGISTER", id+"-1", ";keep", "Supported: outbound, path\r\n"+contact+"\r\n")
	t.Wait(8 * time.Millisecond)
	c.Answer(false, "REGISTER", id+"-1", "401 Unauthorized", ";keep", "")
	t.Wait(25 * time.Millisecond)
	c.Request(false, "REGISTER", id+"-2", ";keep", "Supported: outbound, path\r\n"+contact+"\r\n")
	t.Wait(9 * time.Millisecond)
	return c.Answer(false, "REGISTER", id+"-2", "200 OK", ";keep=30", "Require: outbound\r\n"+contact+";expires=3600\r\n")
}

func (c *Conn) transact(out bool, method, id, status string) {
	c.Request(out, method, id, "", "")
	c.t.Wait(14 * time.Millisecond)
	if method == "INVITE" {
		c.Answer(out, method, id, "180 Ringing", "", "")
		c.t.Wait(2300 * time.Millisecond)
	}
	c.Answer(out, method, id, status, "", "")
	c.t.Wait(5 * time.Millisecond)
}

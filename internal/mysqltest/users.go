package mysqltest

import (
	"context"
	"fmt"
	"net/url"
	"testing"
)

// As is the database for a new user with some rights on it, such as "SELECT, INSERT". The user is dropped when the test ends.
func (d Database) As(t testing.TB, rights string) Database {
	t.Helper()
	return d.Granted(t, "GRANT "+rights+" ON "+d.Name+".* TO %s")
}

// Granted is the database for a new user. In the statement that grants rights, %s is the name of the user.
func (d Database) Granted(t testing.TB, grant string) Database {
	t.Helper()
	user := fmt.Sprintf("%s_%d", d.Name, numbers.Add(1))
	if _, err := d.DB.ExecContext(t.Context(), "CREATE USER "+user+"; "+fmt.Sprintf(grant, user)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := d.DB.ExecContext(context.Background(), "DROP USER "+user); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(user)
	db := connect(t, u.String(), d.Name, nil)
	t.Cleanup(func() { _ = db.Close() })
	return Database{URL: u.String(), Second: u.String(), DB: db, Name: d.Name}
}
